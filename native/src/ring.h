// The producer's side of a ring (docs/format-ring.md): claim → fill → commit, and the account of
// every tick that did not fit.
//
//   Claim(tick)   nullptr if a row and one gap record behind it do not fit: full is a result
//   Miss(...)     this tick will have no row; consecutive ones of one reason are one pending gap
//   Commit()      one release store of head publishes the row, its padding and all gaps before it
//
// Invariant: from head on there is always room for one gap record. So whatever was refused can be
// written down later, and Close() can always account for the last missed ticks, by merging pending
// gaps if it must. One producing thread; nothing here allocates, blocks or throws.
#pragma once

#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace helicorder {

enum class GapReason : uint32_t { kLate = 1, kOverflow = 2, kSuspended = 6, kFull = 7 };

class RingProducer {
 public:
  static constexpr uint32_t kMagic = 0x474e5248;  // "HRNG"
  static constexpr uint32_t kVersion = 1;
  static constexpr size_t kHeadAt = 128;
  static constexpr size_t kCachedTailAt = 136;
  static constexpr size_t kTailAt = 256;
  static constexpr size_t kFullReasonAt = 384;
  static constexpr size_t kClosedAt = 388;
  static constexpr size_t kDataAt = 512;
  static constexpr uint16_t kPadding = 0;
  static constexpr uint16_t kRow = 1;
  static constexpr uint16_t kGap = 2;
  static constexpr size_t kGapBytes = 40;
  static constexpr size_t kPendingMax = 16;

  // False if the memory is not a ring of this version. The memory must outlive the producer.
  bool Attach(uint8_t* memory, size_t bytes) {
    if (bytes < kDataAt || reinterpret_cast<uintptr_t>(memory) % 8 != 0) return false;
    uint32_t magic, version;
    std::memcpy(&magic, memory, sizeof magic);
    std::memcpy(&version, memory + 4, sizeof version);
    std::memcpy(&capacity_, memory + 8, sizeof capacity_);
    if (magic != kMagic || version != kVersion) return false;
    if (!std::has_single_bit(capacity_) || capacity_ > bytes - kDataAt) return false;
    memory_ = memory;
    head_ = Word(kHeadAt).load(std::memory_order_relaxed);
    tail_ = Word(kTailAt).load(std::memory_order_acquire);
    return true;
  }

  uint64_t capacity() const { return capacity_; }

  // The row record of `tick`, header and tick filled in, or nullptr if the ring is full. Writes the
  // pending gaps first. A claimed row that is not committed is simply claimed again.
  uint8_t* Claim(uint64_t tick, size_t row_bytes) {
    while (pending_count_ > 0) {
      if (!WriteFirstPending()) return nullptr;
    }
    if (!HasRoom(row_bytes)) return nullptr;
    uint8_t* row = Begin(row_bytes, kRow);
    std::memcpy(row + 8, &tick, sizeof tick);
    return row;
  }

  void Commit() { Publish(claimed_end_); }

  // `ticks` ticks from `first` on have no row. Ticks are named in order, each exactly once. With
  // all pending places taken the last gap grows and keeps its reason.
  void Miss(uint64_t first, uint64_t ticks, GapReason reason, uint64_t nanos = 0) {
    if (pending_count_ > 0) {
      Gap& last = pending_[pending_count_ - 1];
      if (last.reason == reason || pending_count_ == kPendingMax) return Grow(last, ticks, nanos);
    }
    pending_[pending_count_++] = Gap{first, ticks, nanos, reason};
  }

  // What a full ring means right now, as the consumer says.
  GapReason FullReason() const {
    const uint32_t reason = Half(kFullReasonAt).load(std::memory_order_relaxed);
    return reason == static_cast<uint32_t>(GapReason::kFull) ? GapReason::kFull
                                                             : GapReason::kOverflow;
  }

  // No record will follow. Pending gaps that do not fit one by one become one, of the first reason.
  void Close() {
    while (pending_count_ > 1 && WriteFirstPending()) {
    }
    if (pending_count_ > 0) {
      for (size_t i = 1; i < pending_count_; i++) {
        Grow(pending_[0], pending_[i].ticks, pending_[i].nanos);
      }
      WriteGap(pending_[0]);
      pending_count_ = 0;
    }
    Half(kClosedAt).store(1, std::memory_order_release);
  }

 private:
  struct Gap {
    uint64_t first;
    uint64_t ticks;
    uint64_t nanos;
    GapReason reason;
  };

  static void Grow(Gap& gap, uint64_t ticks, uint64_t nanos) {
    gap.ticks += ticks;
    if (gap.reason == GapReason::kSuspended) gap.nanos += nanos;
  }

  std::atomic_ref<uint64_t> Word(size_t at) const {
    return std::atomic_ref<uint64_t>(*reinterpret_cast<uint64_t*>(memory_ + at));
  }
  std::atomic_ref<uint32_t> Half(size_t at) const {
    return std::atomic_ref<uint32_t>(*reinterpret_cast<uint32_t*>(memory_ + at));
  }

  // Where a record of `bytes` ends if it is begun at `position`, padding before it included.
  uint64_t EndOf(uint64_t position, size_t bytes) const {
    const uint64_t rest = capacity_ - (position & (capacity_ - 1));
    return position + bytes + (rest < bytes ? rest : 0);
  }

  // Room for a record and one gap record behind it. Tail is loaded only when the cached copy is
  // too old to say yes: the consumer's cache line is left alone otherwise.
  bool HasRoom(size_t bytes) {
    const uint64_t end = EndOf(EndOf(head_, bytes), kGapBytes);
    if (end - tail_ <= capacity_) return true;
    tail_ = Word(kTailAt).load(std::memory_order_acquire);
    Word(kCachedTailAt).store(tail_, std::memory_order_relaxed);
    return end - tail_ <= capacity_;
  }

  void Header(uint64_t position, uint32_t length, uint16_t kind) {
    uint8_t* at = memory_ + kDataAt + (position & (capacity_ - 1));
    const uint16_t source = 0;
    std::memcpy(at, &length, sizeof length);
    std::memcpy(at + 4, &kind, sizeof kind);
    std::memcpy(at + 6, &source, sizeof source);
  }

  uint8_t* Begin(size_t bytes, uint16_t kind) {
    claimed_end_ = EndOf(head_, bytes);
    const uint64_t start = claimed_end_ - bytes;
    if (start != head_) Header(head_, static_cast<uint32_t>(start - head_), kPadding);
    Header(start, static_cast<uint32_t>(bytes), kind);
    return memory_ + kDataAt + (start & (capacity_ - 1));
  }

  void Publish(uint64_t head) {
    head_ = head;
    Word(kHeadAt).store(head, std::memory_order_release);
  }

  bool WriteFirstPending() {
    if (!HasRoom(kGapBytes)) return false;
    WriteGap(pending_[0]);
    for (size_t i = 1; i < pending_count_; i++) pending_[i - 1] = pending_[i];
    pending_count_--;
    return true;
  }

  void WriteGap(const Gap& gap) {
    uint8_t* at = Begin(kGapBytes, kGap);
    const uint64_t reason = static_cast<uint32_t>(gap.reason);
    std::memcpy(at + 8, &gap.first, 8);
    std::memcpy(at + 16, &gap.ticks, 8);
    std::memcpy(at + 24, &reason, 8);
    std::memcpy(at + 32, &gap.nanos, 8);
    Publish(claimed_end_);
  }

  uint8_t* memory_ = nullptr;
  uint64_t capacity_ = 0;
  uint64_t head_ = 0;
  uint64_t tail_ = 0;
  uint64_t claimed_end_ = 0;
  Gap pending_[kPendingMax] = {};
  size_t pending_count_ = 0;
};

}  // namespace helicorder
