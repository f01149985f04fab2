// A block of at most 128 values on its way into a column: the shortest packing is found, and
// written (docs/format-batch.md). T is int32_t where that is exact, as for most blocks, since twice
// as many values go through an instruction; else int64_t. Unpacking is in unpack.h.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <utility>

#include "bits.h"
#include "codecs.h"
#include "differences.h"

namespace helicorder {

inline constexpr uint8_t kPatched = 0x80;
inline constexpr size_t kPatchesMax = 127;
inline constexpr uint64_t kEachByte = 0x0101010101010101;

struct BlockShape {
  int64_t base;
  unsigned width;
  unsigned patch_width;  // 0: no patches
  size_t patches;
  size_t bytes;
};

template <typename T>
struct Block {
  std::make_unsigned_t<T> distances[kBlockValues];  // from the base
  uint8_t widths[kBlockValues];                     // bits of each; zeros behind the last
  BlockShape shape;
};

template <typename T>
std::pair<T, T> RangeOf(const T* values, size_t count) {
  T least = values[0];
  T most = values[0];
  for (size_t i = 1; i < count; i++) {
    least = std::min(least, values[i]);
    most = std::max(most, values[i]);
  }
  return {least, most};
}

// Bits that each distance needs. The exponent of a float is one more than that of the highest bit:
// without the bit below it, no rounding reaches the next power of two.
inline void FindWidths(const uint32_t* distances, size_t count, uint8_t* widths) {
  constexpr uint32_t kBias = 126;
  for (size_t i = 0; i < count; i++) {
    const uint32_t high = distances[i] & ~(distances[i] >> 1);
    const auto exponent = static_cast<uint8_t>(
        std::bit_cast<uint32_t>(static_cast<float>(static_cast<int32_t>(high))) >> 23);
    widths[i] = static_cast<uint8_t>(std::max<uint8_t>(exponent, kBias) - kBias);
  }
}

inline void FindWidths(const uint64_t* distances, size_t count, uint8_t* widths) {
  for (size_t i = 0; i < count; i++) widths[i] = static_cast<uint8_t>(std::bit_width(distances[i]));
}

inline size_t CountWider(const uint8_t* widths, size_t count, unsigned width) {
  uint8_t wider = 0;  // of at most kBlockValues
  for (size_t i = 0; i < count; i++) wider += widths[i] > static_cast<uint8_t>(width);
  return wider;
}

// The shortest packing; of equally short ones the one without patches, then of least width.
// `values` are relative to `origin`.
template <typename T>
void ShapeBlock(const T* values, size_t count, int64_t origin, Block<T>* block) {
  using U = std::make_unsigned_t<T>;
  const auto [least, most] = RangeOf(values, count);
  for (size_t i = 0; i < count; i++) {
    block->distances[i] = static_cast<U>(values[i]) - static_cast<U>(least);
  }
  const int64_t base = Add(origin, least);
  const auto widest = static_cast<unsigned>(
      std::bit_width(static_cast<U>(static_cast<U>(most) - static_cast<U>(least))));
  const size_t head = 1 + VarintBytes(Zigzag(base));
  BlockShape& best = block->shape;
  best = {base, widest, 0, 0, head + PackedBytes(count, widest)};
  if (widest == 0) return;
  FindWidths(block->distances, count, block->widths);
  std::fill(block->widths + count, block->widths + kBlockValues, uint8_t{0});
  for (unsigned width = widest; width-- > 0;) {
    const size_t patches = CountWider(block->widths, count, width);
    // what follows has no fewer patches, and saves no more than all of the bits that are left
    const size_t patched = head + 2 + patches;
    if (patches > kPatchesMax || patched + PackedBytes(patches, widest) > best.bytes) break;
    const size_t bytes = patched + PackedBytes(count, width) + PackedBytes(patches, widest - width);
    // going down, an equally short one replaces a wider patched one but never the plain one
    if (bytes < best.bytes || (bytes == best.bytes && best.patch_width > 0)) {
      best = {base, width, widest - width, patches, bytes};
    }
  }
}

// The same for values of 32 bits: one load takes two of them, and they are joined at once.
inline uint8_t* Pack(uint8_t* out, const uint32_t* values, size_t count, unsigned width) {
  if (width == 0) return out;
  uint8_t* const end = out + PackedBytes(count, width);
  const uint64_t low = LowMask(width);
  uint64_t pairs[(kBlockValues + 1) / 2];
  for (size_t i = 0; i < count / 2; i++) {
    uint64_t pair;
    std::memcpy(&pair, values + 2 * i, sizeof pair);
    pairs[i] = (pair & low) | (pair >> (32 - width) & low << width);
  }
  if (count % 2 == 1) pairs[count / 2] = values[count - 1] & low;
  Pack(out, pairs, (count + 1) / 2, 2 * width);
  return end;
}

// The block's distances are used up.
template <typename T>
uint8_t* PutBlock(uint8_t* out, size_t count, Block<T>* block) {
  const auto& [base, width, patch_width, patch_count, bytes] = block->shape;
  auto* const distances = block->distances;
  *out++ = static_cast<uint8_t>(width | (patch_width > 0 ? kPatched : 0));
  out = PutSvarint(out, base);
  if (patch_width == 0) return Pack(out, distances, count, width);

  std::make_unsigned_t<T> highs[kBlockValues];
  uint8_t positions[kBlockValues];
  size_t patches = 0;
  for (size_t at = 0; at < count; at += sizeof(uint64_t)) {
    // eight widths at a time: their high bits become set where there is something to patch
    uint64_t wider;
    std::memcpy(&wider, block->widths + at, sizeof wider);
    wider = (wider + kEachByte * (0x7f - width)) & kEachByte << 7;
    for (; wider != 0; wider &= wider - 1) {
      const size_t i = at + static_cast<size_t>(std::countr_zero(wider)) / 8;
      highs[patches] = distances[i] >> width;
      positions[patches++] = static_cast<uint8_t>(i);
    }
  }
  out = Pack(out, distances, count, width);
  *out++ = static_cast<uint8_t>(patches);
  *out++ = static_cast<uint8_t>(patch_width);
  std::memcpy(out, positions, patches);
  return Pack(out + patches, highs, patches, patch_width);
}

}  // namespace helicorder
