// The memory of a ring and of its records (docs/format-ring.md), for both sides.
// engine/ring/layout.ts and engine/batch/ledger.ts have the same numbers; test/unit/ring holds them
// equal.
#pragma once

#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace helicorder {

inline constexpr uint32_t kRingMagic = 0x474e5248;  // "HRNG"
inline constexpr uint32_t kRingVersion = 1;
inline constexpr size_t kCapacityAt = 8;
inline constexpr size_t kHeadAt = 128;
inline constexpr size_t kCachedTailAt = 136;
inline constexpr size_t kTailAt = 256;
inline constexpr size_t kFullReasonAt = 384;
inline constexpr size_t kClosedAt = 388;
inline constexpr size_t kDataAt = 512;
inline constexpr uint64_t kCapacityMin = 64;

// Bursts are reserved: nothing writes them yet.
enum RecordKind : uint16_t { kPadding = 0, kRow = 1, kGap = 2, kBurst = 3 };

// From the record's start. A row's validity words and values lie where its rate group says.
inline constexpr size_t kKindAt = 4;
inline constexpr size_t kRecordHeaderBytes = 8;
// Of a record's place and length: so a header never reaches over the end of the memory.
inline constexpr size_t kRecordAlignment = 8;
inline constexpr size_t kTickAt = 8;  // of a row; the first tick of a gap
inline constexpr size_t kTimeAt = 16;
inline constexpr size_t kValidityAt = 24;
inline constexpr size_t kGapTicksAt = 16;
inline constexpr size_t kGapReasonAt = 24;
inline constexpr size_t kGapNanosAt = 32;
inline constexpr size_t kGapBytes = 40;

// Missed ticks that a producer can hold apart while the ring is full.
inline constexpr size_t kPendingMax = 16;

enum class GapReason : uint32_t {
  kLate = 1,
  kOverflow = 2,
  kDevice = 3,
  kStopped = 4,
  kCrash = 5,
  kSuspended = 6,
  kFull = 7,
  kRetired = 8,
  kCorrupt = 9,
  kFiltered = 10,
};

// A ring's memory, checked once: what producer and consumer have in common.
class RingMemory {
 public:
  // False if the memory is not a ring of this version. The memory must outlive this.
  bool Attach(uint8_t* memory, size_t bytes) {
    if (bytes < kDataAt || reinterpret_cast<uintptr_t>(memory) % 8 != 0) return false;
    uint32_t magic, version;
    std::memcpy(&magic, memory, sizeof magic);
    std::memcpy(&version, memory + 4, sizeof version);
    std::memcpy(&capacity_, memory + kCapacityAt, sizeof capacity_);
    if (magic != kRingMagic || version != kRingVersion) return false;
    if (!std::has_single_bit(capacity_) || capacity_ < kCapacityMin) return false;
    if (capacity_ > bytes - kDataAt) return false;
    memory_ = memory;
    return true;
  }

  uint64_t capacity() const { return capacity_; }

  // Bytes from `position` to the end of the data, where a record must end at the latest.
  uint64_t Contiguous(uint64_t position) const { return capacity_ - (position & (capacity_ - 1)); }

  uint8_t* At(uint64_t position) const { return memory_ + kDataAt + (position & (capacity_ - 1)); }
  std::atomic_ref<uint64_t> Word(size_t at) const {
    return std::atomic_ref<uint64_t>(*reinterpret_cast<uint64_t*>(memory_ + at));
  }
  std::atomic_ref<uint32_t> Half(size_t at) const {
    return std::atomic_ref<uint32_t>(*reinterpret_cast<uint32_t*>(memory_ + at));
  }

 private:
  uint8_t* memory_ = nullptr;
  uint64_t capacity_ = 0;
};

}  // namespace helicorder
