// Packed values taken apart (docs/format-batch.md, Codecs): undoes Pack() of bits.h. Eight values
// of w bits take exactly w bytes, so within each eight every value lies at a place that is known
// when this is compiled: one function per width, without a branch, a division or a count of bits.
#pragma once

#include <array>
#include <utility>

#include "bits.h"

namespace helicorder {

// What an unpacker may read behind the packed bytes it is asked for.
inline constexpr size_t kUnpackSlackBytes = 8;

template <unsigned kWidth, size_t kPlace>
inline uint64_t PackedValue(const uint8_t* eight) {
  constexpr size_t kBit = kPlace * kWidth;
  constexpr unsigned kShift = kBit % 8;
  uint64_t word;
  std::memcpy(&word, eight + kBit / 8, sizeof word);
  uint64_t value = word >> kShift;
  if constexpr (kWidth + kShift > 64) {
    value |= static_cast<uint64_t>(eight[kBit / 8 + sizeof word]) << (64 - kShift);
  }
  return value & LowMask(kWidth);
}

// `eights` × 8 values.
template <unsigned kWidth>
void UnpackEights(const uint8_t* bytes, uint64_t* values, size_t eights) {
  for (size_t i = 0; i < eights; i++, bytes += kWidth, values += 8) {
    [&]<size_t... kPlace>(std::index_sequence<kPlace...>) {
      ((values[kPlace] = PackedValue<kWidth, kPlace>(bytes)), ...);
    }
    (std::make_index_sequence<8>());
  }
}

using Unpacker = void (*)(const uint8_t* bytes, uint64_t* values, size_t eights);

// By width, 0 to 64.
inline constexpr auto kUnpackers = []<size_t... kWidth>(std::index_sequence<kWidth...>) {
  return std::array<Unpacker, sizeof...(kWidth)>{UnpackEights<kWidth>...};
}
(std::make_index_sequence<65>());

}  // namespace helicorder
