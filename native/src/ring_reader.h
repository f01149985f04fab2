// Consumer side of a ring (docs/format-ring.md): positions only, no knowledge of records.
#pragma once

#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace helicorder {

class RingReader {
 public:
  static constexpr uint32_t kMagic = 0x474e5248;  // "HRNG"
  static constexpr uint32_t kVersion = 1;
  static constexpr size_t kHeadAt = 128;
  static constexpr size_t kTailAt = 256;
  static constexpr size_t kDataAt = 512;
  static constexpr uint64_t kCapacityMin = 64;

  // False if the memory is not a ring of this version. The memory must outlive the reader.
  bool Attach(uint8_t* memory, size_t bytes) {
    uint32_t magic, version;
    if (bytes < kDataAt || reinterpret_cast<uintptr_t>(memory) % 8 != 0) return false;
    std::memcpy(&magic, memory, sizeof magic);
    std::memcpy(&version, memory + 4, sizeof version);
    std::memcpy(&capacity_, memory + 8, sizeof capacity_);
    if (magic != kMagic || version != kVersion) return false;
    if (!std::has_single_bit(capacity_) || capacity_ < kCapacityMin) return false;
    if (capacity_ > bytes - kDataAt) return false;
    memory_ = memory;
    return true;
  }

  uint64_t capacity() const { return capacity_; }

  // What stands before this position has been published.
  uint64_t Head() const { return Word(kHeadAt).load(std::memory_order_acquire); }

  // Only the consumer writes it, so its own view is always the newest.
  uint64_t Tail() const { return Word(kTailAt).load(std::memory_order_relaxed); }

  // What stands before `position` may be overwritten from now on.
  void Release(uint64_t position) { Word(kTailAt).store(position, std::memory_order_release); }

  // Bytes from `position` to the end of the data, where a record must end at the latest.
  uint64_t Contiguous(uint64_t position) const { return capacity_ - (position & (capacity_ - 1)); }

  const uint8_t* At(uint64_t position) const {
    return memory_ + kDataAt + (position & (capacity_ - 1));
  }

 private:
  std::atomic_ref<uint64_t> Word(size_t at) const {
    return std::atomic_ref<uint64_t>(*reinterpret_cast<uint64_t*>(memory_ + at));
  }

  uint8_t* memory_ = nullptr;
  uint64_t capacity_ = 0;
};

}  // namespace helicorder
