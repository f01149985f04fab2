// Static rANS (Duda, "Asymmetric numeral systems", 2013; this is the variant with 32 bits of state
// and 16-bit words): a token of probability p costs −log2 p bits, also where that is far below one.
// docs/format-batch.md, codecs 8–10; engine/codecs/rans.ts is the reference to read first.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "bits.h"

namespace helicorder {

inline constexpr size_t kTokens = 496;
inline constexpr unsigned kScaleBits = 12;
inline constexpr uint32_t kScale = 1u << kScaleBits;
// The state is never less between two tokens; a decoder ends with it.
inline constexpr uint32_t kStateLeast = 1u << 16;
inline constexpr size_t kFrequenciesMaxBytes = 2 * kTokens;

using TokenCounts = std::array<uint32_t, kTokens>;
// How often each token comes, in 4096ths; their sum is 4096.
using Frequencies = std::array<uint16_t, kTokens>;

// What comes at all keeps at least 1. Without any count: token 0 only.
// `end`: from there on there are no counts.
Frequencies FrequenciesOf(const TokenCounts& counts, size_t end);

// 256ths of a bit, rounded.
uint64_t CostOf(const TokenCounts& counts, size_t end, const Frequencies& frequencies);

// `out`: kFrequenciesMaxBytes.
uint8_t* PutFrequencies(uint8_t* out, const Frequencies& frequencies);
bool ReadFrequencies(ByteReader* reader, Frequencies* frequencies);

// Where each token's slots begin: the sum of the frequencies before it.
std::array<uint16_t, kTokens> StartsOf(const Frequencies& frequencies);

// A token as an encoder needs it, with a reciprocal: multiplying takes a third of a division.
struct RansSymbol {
  RansSymbol() = default;
  // `frequency` is not 0.
  RansSymbol(uint16_t frequency, uint16_t start)
      : reciprocal(((1ull << kShift) + frequency - 1) / frequency),
        frequency(frequency),
        start(start) {}

  // state / frequency, for states below frequency · 2^20. Exact: what rounding the reciprocal up
  // adds is less than state · frequency / 2^44 of what would reach the next quotient, and the
  // product stays below 2^64.
  uint32_t Quotient(uint32_t state) const {
    return static_cast<uint32_t>(state * reciprocal >> kShift);
  }

  static constexpr unsigned kShift = 44;
  uint64_t reciprocal;
  uint16_t frequency;
  uint16_t start;
};

// Takes tokens from the last to the first and writes words downwards from `end`.
class RansEncoder {
 public:
  explicit RansEncoder(uint16_t* end) : at_(end) {}

  // At most one word each.
  void Put(const RansSymbol& symbol) {
    const uint32_t frequency = symbol.frequency;
    if (state_ >= static_cast<uint64_t>(frequency) << (32 - kScaleBits)) {
      *--at_ = static_cast<uint16_t>(state_);
      state_ >>= 16;
    }
    state_ += symbol.Quotient(state_) * (kScale - frequency) + symbol.start;
  }

  uint32_t state() const { return state_; }
  const uint16_t* words() const { return at_; }

 private:
  uint16_t* at_;
  uint32_t state_ = kStateLeast;
};

// One context's frequencies, laid out to be looked up by slot.
class RansTable {
 public:
  void Set(const Frequencies& frequencies);

 private:
  friend class RansDecoder;
  struct Range {
    uint16_t frequency;
    uint16_t start;
  };
  std::array<uint16_t, kScale> token_of_slot_;
  std::array<Range, kTokens> ranges_;
};

class RansDecoder {
 public:
  RansDecoder() = default;
  RansDecoder(uint32_t state, const uint8_t* words, size_t count)
      : state_(state), words_(words), count_(count) {}

  uint16_t Get(const RansTable& table) {
    const uint32_t slot = state_ % kScale;
    const uint16_t token = table.token_of_slot_[slot];
    const auto [frequency, start] = table.ranges_[token];
    state_ = frequency * (state_ >> kScaleBits) + slot - start;
    // no branch: whether a word is due has no pattern. Past the end it is 0, and is counted.
    uint16_t word = 0;
    if (next_ < count_) std::memcpy(&word, words_ + next_ * sizeof word, sizeof word);
    const uint32_t longer = state_ << 16 | word;
    const uint32_t due = 0 - uint32_t{state_ < kStateLeast};
    state_ ^= (state_ ^ longer) & due;
    next_ -= static_cast<int32_t>(due);
    return token;
  }

  // All words were used, none was missing, and the state is what encoders begin with.
  bool Ended() const { return next_ == count_ && state_ == kStateLeast; }

 private:
  uint32_t state_ = kStateLeast;
  const uint8_t* words_ = nullptr;
  size_t count_ = 0;
  size_t next_ = 0;
};

}  // namespace helicorder
