// What a token of codecs 8–10 stands for (docs/format-batch.md).
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "rans.h"

namespace helicorder {

inline constexpr size_t kContexts = 8;
inline constexpr uint64_t kPlainTokens = 16;  // tokens that are the number itself
inline constexpr unsigned kPlainBits = 4;

// Numbers of n + 1 bits from 16 on have eight tokens: two bits below the first, and the last one,
// which is the sign. The n − 3 bits between are the raw ones.
inline uint16_t TokenOf(uint64_t number) {
  if (number < kPlainTokens) return static_cast<uint16_t>(number);
  const unsigned n = static_cast<unsigned>(std::bit_width(number)) - 1;
  const uint64_t top = number >> (n - 2) & 3;
  return static_cast<uint16_t>(kPlainTokens + (n - kPlainBits) * 8 + top * 2 + (number & 1));
}

struct TokenShape {
  uint64_t number;    // its raw bits 0
  uint32_t raw_mask;  // of the lowest 32
  uint8_t raw_bits;
  uint8_t context;  // of the value that follows
};

constexpr std::array<TokenShape, kTokens> TokenShapes() {
  std::array<TokenShape, kTokens> shapes{};
  for (uint64_t token = 0; token < kTokens; token++) {
    const unsigned n = static_cast<unsigned>((token - kPlainTokens) / 8) + kPlainBits;
    TokenShape& shape = shapes[token];
    shape.number = token;
    if (token >= kPlainTokens) {
      shape.number = (4 | (token >> 1 & 3)) << (n - 2) | (token & 1);
      shape.raw_bits = static_cast<uint8_t>(n - 3);
      shape.raw_mask = static_cast<uint32_t>((1ull << std::min(n - 3, 32u)) - 1);
    }
    const size_t magnitude = (std::bit_width(shape.number) + 1) / 2;
    shape.context = static_cast<uint8_t>(std::min(magnitude, kContexts - 1));
  }
  return shapes;
}

inline constexpr auto kShapes = TokenShapes();

}  // namespace helicorder
