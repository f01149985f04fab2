// The chain: a running 64-bit checksum over records, as docs/format-chain.md specifies it.
#pragma once

#include <cstddef>
#include <cstdint>

namespace helicorder {

// How a column's values become 64-bit words.
enum class ChainWords : uint8_t {
  kIs64Bit = 0,    // they are words already
  kIntegers = 1,   // doubles that hold integers: the integer, two's complement
  kDoubles = 2,    // doubles: their bits; every NaN counts as the same one
};

struct ChainColumn {
  const void* values;  // 8 bytes each
  ChainWords words;
};

// Samples with consecutive ticks, seqs and ordinals: all that differs from one to the next.
struct ChainStretch {
  uint64_t head;     // digest of the origin + the kind of record
  uint64_t seq;      // of the first sample; so are the next three
  uint64_t ordinal;
  uint64_t tick;
  int64_t due_utc_nanos;
  int64_t period_nanos;
  int64_t resolution_nanos;  // ≥ 1
};

// Carries `chain` over `count` samples. `residuals` are the values of the time column, one per
// sample; arithmetic is modulo 2^64, so that no input is outside its domain. Any thread.
uint64_t ChainSamples(uint64_t chain, const ChainStretch& stretch, const int64_t* residuals,
                      const ChainColumn* columns, size_t column_count, size_t count);

// Digest of a string of bytes: an event, or an origin. Any thread.
uint64_t ChainDigest(const uint8_t* bytes, size_t length);

}  // namespace helicorder
