// Both sides of a ring (docs/format-ring.md; ring_layout.h has its bytes).
//
// The producer: claim → fill → commit, and the account of every tick that did not fit.
//   Claim(tick)   nullptr if a row and the gap records behind it do not fit: full is a result
//   Miss(...)     this tick will have no row; consecutive ones of one reason are one pending gap
//   Commit()      one release store of head publishes the row, its padding and all gaps before it
// The reader: positions only, no knowledge of records.
//   Head()        acquire: what stands before it has been published
//   Release(p)    one release store of tail: what stands before p may be overwritten
//
// Invariant: from head on there is always room for one gap record of each reason. So whatever was
// refused can be written down later, and Close() can always account for the last missed ticks, by
// merging pending gaps of one reason if it must. One thread on each side; nothing here allocates,
// blocks or throws.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "ring_layout.h"

namespace helicorder {

class RingProducer {
 public:
  // False if the memory is not a ring of this version. The memory must outlive the producer.
  bool Attach(uint8_t* memory, size_t bytes) {
    if (!memory_.Attach(memory, bytes)) return false;
    head_ = memory_.Word(kHeadAt).load(std::memory_order_relaxed);
    tail_ = memory_.Word(kTailAt).load(std::memory_order_acquire);
    return true;
  }

  uint64_t capacity() const { return memory_.capacity(); }

  // The row record of `tick`, header and tick filled in, or nullptr if the ring is full. Writes the
  // pending gaps first. A claimed row that is not committed is simply claimed again.
  uint8_t* Claim(uint64_t tick, size_t row_bytes) {
    while (pending_count_ > 0) {
      if (!WriteFirstPending()) return nullptr;
    }
    if (!HasRoom(row_bytes)) return nullptr;
    uint8_t* row = Begin(row_bytes, kRow);
    std::memcpy(row + kTickAt, &tick, sizeof tick);
    return row;
  }

  void Commit() { Publish(claimed_end_); }

  // `ticks` ticks from `first` on have no row. Ticks are named in order, each exactly once. Where
  // there are too many gaps to hold apart, those of one reason become one: the ticks of each reason
  // are counted exactly, only where they lie between the others is lost.
  void Miss(uint64_t first, uint64_t ticks, GapReason reason, uint64_t nanos = 0) {
    const Gap gap{first, ticks, nanos, reason};
    if (pending_count_ > 0 && pending_[pending_count_ - 1].reason == reason) {
      return Grow(pending_[pending_count_ - 1], gap);
    }
    Fold(pending_, pending_count_, kPendingApart, gap);
  }

  // What a full ring means right now, as the consumer says.
  GapReason FullReason() const {
    const uint32_t reason = memory_.Half(kFullReasonAt).load(std::memory_order_relaxed);
    return reason == static_cast<uint32_t>(GapReason::kFull) ? GapReason::kFull
                                                             : GapReason::kOverflow;
  }

  // No record will follow. Pending gaps that do not fit one by one become one of each reason.
  void Close() {
    while (pending_count_ > 0 && WriteFirstPending()) {
    }
    Gap folded[kPendingMax] = {};
    size_t count = 0;
    for (size_t i = 0; i < pending_count_; i++) Fold(folded, count, 0, pending_[i]);
    for (size_t i = 0; i < count; i++) WriteGap(folded[i]);
    pending_count_ = 0;
    memory_.Half(kClosedAt).store(1, std::memory_order_release);
  }

 private:
  struct Gap {
    uint64_t first;
    uint64_t ticks;
    uint64_t nanos;
    GapReason reason;
  };

  // Beyond so many, one gap for each reason takes what comes.
  static constexpr size_t kPendingApart = kPendingMax - kMissReasons;

  static void Grow(Gap& gap, const Gap& by) {
    gap.ticks += by.ticks;
    if (gap.reason == GapReason::kSuspended) gap.nanos += by.nanos;
  }

  // Adds a gap whose ticks follow the last one's. From index `from` on there is one of each reason:
  // it grows, and those behind it move on. A reason that nobody misses ticks for joins the last.
  static void Fold(Gap (&gaps)[kPendingMax], size_t& count, size_t from, const Gap& gap) {
    size_t same = from;
    while (same < count && gaps[same].reason != gap.reason) same++;
    if (same >= count && count < kPendingMax) {
      gaps[count++] = gap;
      return;
    }
    if (same >= count) same = count - 1;
    Grow(gaps[same], gap);
    for (size_t later = same + 1; later < count; later++) gaps[later].first += gap.ticks;
  }

  // Where a record of `bytes` ends if it is begun at `position`, padding before it included.
  uint64_t EndOf(uint64_t position, size_t bytes) const {
    const uint64_t rest = memory_.Contiguous(position);
    return position + bytes + (rest < bytes ? rest : 0);
  }

  // Room for a record and a gap record of each reason behind it. Tail is loaded only when the
  // cached copy is too old to say yes: the consumer's cache line is left alone otherwise.
  bool HasRoom(size_t bytes) {
    // nearly always there is far more: each record could have a padding as long as itself
    const uint64_t most = 2 * (bytes + kMissReasons * kGapBytes);
    if (head_ + most - tail_ <= memory_.capacity()) return true;
    uint64_t end = EndOf(head_, bytes);
    for (size_t i = 0; i < kMissReasons; i++) end = EndOf(end, kGapBytes);
    if (end - tail_ <= memory_.capacity()) return true;
    tail_ = memory_.Word(kTailAt).load(std::memory_order_acquire);
    memory_.Word(kCachedTailAt).store(tail_, std::memory_order_relaxed);
    return end - tail_ <= memory_.capacity();
  }

  void Header(uint64_t position, uint32_t length, uint16_t kind) {
    uint8_t* at = memory_.At(position);
    const uint16_t source = 0;
    std::memcpy(at, &length, sizeof length);
    std::memcpy(at + kKindAt, &kind, sizeof kind);
    std::memcpy(at + 6, &source, sizeof source);
  }

  uint8_t* Begin(size_t bytes, uint16_t kind) {
    claimed_end_ = EndOf(head_, bytes);
    const uint64_t start = claimed_end_ - bytes;
    if (start != head_) Header(head_, static_cast<uint32_t>(start - head_), kPadding);
    Header(start, static_cast<uint32_t>(bytes), kind);
    return memory_.At(start);
  }

  void Publish(uint64_t head) {
    head_ = head;
    memory_.Word(kHeadAt).store(head, std::memory_order_release);
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
    std::memcpy(at + kTickAt, &gap.first, 8);
    std::memcpy(at + kGapTicksAt, &gap.ticks, 8);
    std::memcpy(at + kGapReasonAt, &reason, 8);
    std::memcpy(at + kGapNanosAt, &gap.nanos, 8);
    Publish(claimed_end_);
  }

  RingMemory memory_;
  uint64_t head_ = 0;
  uint64_t tail_ = 0;
  uint64_t claimed_end_ = 0;
  Gap pending_[kPendingMax] = {};
  size_t pending_count_ = 0;
};

class RingReader {
 public:
  // False if the memory is not a ring of this version. The memory must outlive the reader.
  bool Attach(uint8_t* memory, size_t bytes) { return memory_.Attach(memory, bytes); }

  uint64_t capacity() const { return memory_.capacity(); }

  // What stands before this position has been published.
  uint64_t Head() const { return memory_.Word(kHeadAt).load(std::memory_order_acquire); }

  // Only the consumer writes it, so its own view is always the newest.
  uint64_t Tail() const { return memory_.Word(kTailAt).load(std::memory_order_relaxed); }

  // What stands before `position` may be overwritten from now on.
  void Release(uint64_t position) {
    memory_.Word(kTailAt).store(position, std::memory_order_release);
  }

  // Bytes from `position` to the end of the data, where a record must end at the latest.
  uint64_t Contiguous(uint64_t position) const { return memory_.Contiguous(position); }

  const uint8_t* At(uint64_t position) const { return memory_.At(position); }

 private:
  RingMemory memory_;
};

}  // namespace helicorder
