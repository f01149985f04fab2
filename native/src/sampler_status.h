// The counters a sampler thread keeps in shared memory; engine/sampler/status.ts names the same
// words. Written by the thread alone with relaxed stores: each word is right by itself, and a
// reader that needs a balance takes it from the stored ledgers, not from here.
#pragma once

#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace helicorder {

class SamplerStatus {
 public:
  enum Word : size_t {
    kScheduled,
    kRows,
    kLate,
    kOverflow,
    kFull,
    kDeviceFailures,
    kSuspendedNanos,
    kLastTick,
    kMaxLatenessNanos,
    kReading,
    kPolls,
    kHistogram = 16,
  };
  // Log-linear lateness, the buckets of engine/base/histogram.ts: values below 8 ns have a bucket
  // each, then 8 per power of two up to 2^48 ns; what is later is counted in the last.
  static constexpr size_t kBuckets = 368;
  static constexpr size_t kWords = kHistogram + kBuckets;

  explicit SamplerStatus(uint64_t* words) : words_(words) {}

  void Add(Word word, uint64_t count) { Set(word, Get(word) + count); }
  void Set(size_t word, uint64_t value) {
    std::atomic_ref<uint64_t>(words_[word]).store(value, std::memory_order_relaxed);
  }
  uint64_t Get(size_t word) const {
    return std::atomic_ref<uint64_t>(words_[word]).load(std::memory_order_relaxed);
  }

  void AddLateness(uint64_t nanos) {
    const size_t word = kHistogram + BucketOf(nanos);
    Set(word, Get(word) + 1);
    if (nanos > Get(kMaxLatenessNanos)) Set(kMaxLatenessNanos, nanos);
  }

  static size_t BucketOf(uint64_t nanos) {
    if (nanos < 8) return static_cast<size_t>(nanos);
    const auto exponent = static_cast<size_t>(std::bit_width(nanos)) - 1;
    const size_t bucket = (exponent - 2) * 8 + ((nanos >> (exponent - 3)) & 7);
    return bucket < kBuckets ? bucket : kBuckets - 1;
  }

 private:
  uint64_t* words_;
};

}  // namespace helicorder
