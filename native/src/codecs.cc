#include "codecs.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "bits.h"
#include "dense.h"
#include "differences.h"
#include "unpack.h"

namespace helicorder {
namespace {

constexpr uint8_t kPatched = 0x80;
constexpr size_t kPatchesMax = 127;
constexpr size_t kProbeMaxValues = 512;
constexpr size_t kProbeRuns = 4;
constexpr unsigned kOrders = 3;  // values, differences, differences of differences

struct BlockShape {
  int64_t base;
  unsigned width;
  unsigned patch_width;  // 0: no patches
  size_t patches;
  size_t bytes;
};

// Neighbours in a block are worked on in lanes, so that none waits for the one before it.
constexpr size_t kLanes = 4;

struct Range {
  int64_t least;
  int64_t most;
};

Range RangeOf(const int64_t* values, size_t count) {
  int64_t least[kLanes];
  int64_t most[kLanes];
  for (size_t lane = 0; lane < kLanes; lane++) least[lane] = most[lane] = values[0];
  size_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    for (size_t lane = 0; lane < kLanes; lane++) {
      least[lane] = std::min(least[lane], values[i + lane]);
      most[lane] = std::max(most[lane], values[i + lane]);
    }
  }
  for (; i < count; i++) {
    least[0] = std::min(least[0], values[i]);
    most[0] = std::max(most[0], values[i]);
  }
  return {*std::min_element(least, least + kLanes), *std::max_element(most, most + kLanes)};
}

// The shortest packing; of equally short ones the one without patches, then of least width.
BlockShape ShapeOf(const int64_t* values, size_t count) {
  const auto [base, most] = RangeOf(values, count);
  const unsigned widest = static_cast<unsigned>(std::bit_width(Distance(base, most)));
  const size_t head = 1 + VarintBytes(Zigzag(base));
  BlockShape best{base, widest, 0, 0, head + PackedBytes(count, widest)};
  if (widest == 0) return best;

  uint8_t widths[kLanes][65] = {};
  size_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    for (size_t lane = 0; lane < kLanes; lane++) {
      widths[lane][std::bit_width(Distance(base, values[i + lane]))]++;
    }
  }
  for (; i < count; i++) widths[0][std::bit_width(Distance(base, values[i]))]++;

  size_t patches = 0;  // distances of more than `width` bits
  for (unsigned width = widest; width-- > 0;) {
    for (const auto& lane : widths) patches += lane[width + 1];
    if (patches > kPatchesMax) break;
    const size_t bytes =
        head + PackedBytes(count, width) + 2 + patches + PackedBytes(patches, widest - width);
    // going down, an equally short one replaces a wider patched one but never the plain one
    if (bytes < best.bytes || (bytes == best.bytes && best.patch_width > 0)) {
      best = {base, width, widest - width, patches, bytes};
    }
  }
  return best;
}

uint8_t* EncodeBlock(uint8_t* out, const int64_t* values, size_t count, const BlockShape& shape) {
  uint64_t distances[kBlockValues];
  for (size_t i = 0; i < count; i++) distances[i] = Distance(shape.base, values[i]);
  *out++ = static_cast<uint8_t>(shape.width | (shape.patch_width > 0 ? kPatched : 0));
  out = PutSvarint(out, shape.base);
  if (shape.patch_width == 0) return Pack(out, distances, count, shape.width);

  uint64_t highs[kBlockValues];
  uint8_t positions[kBlockValues];
  size_t patches = 0;
  for (size_t i = 0; i < count; i++) {
    // counted only if there is something: no branch, patches come without a pattern
    highs[patches] = distances[i] >> shape.width;
    positions[patches] = static_cast<uint8_t>(i);
    patches += highs[patches] != 0;
  }
  out = Pack(out, distances, count, shape.width);
  *out++ = static_cast<uint8_t>(patches);
  *out++ = static_cast<uint8_t>(shape.patch_width);
  std::memcpy(out, positions, patches);
  return Pack(out + patches, highs, patches, shape.patch_width);
}

size_t BlocksBytes(const int64_t* values, size_t count) {
  size_t bytes = 0;
  for (size_t at = 0; at < count; at += kBlockValues) {
    bytes += ShapeOf(values + at, std::min(kBlockValues, count - at)).bytes;
  }
  return bytes;
}

// Adds to bytes[order] what a column of up to kProbeMaxValues values needs with codec 2 + order.
void Probe(const int64_t* values, size_t count, size_t bytes[kOrders]) {
  int64_t buffers[2][kProbeMaxValues];
  const int64_t* rest = values;
  size_t firsts = 0;
  for (unsigned order = 0; order < kOrders; order++) {
    bytes[order] += firsts + BlocksBytes(rest, count);
    if (count == 0) return;  // of so few values all are equal, or a lower order is shorter
    if (order + 1 == kOrders) return;
    firsts += VarintBytes(Zigzag(rest[0]));
    Differences(rest, count, buffers[order]);
    rest = buffers[order];
    count--;
  }
}

unsigned ShortestOrder(const int64_t* values, size_t count) {
  size_t bytes[kOrders] = {};
  if (count <= kProbeMaxValues) {
    Probe(values, count, bytes);
  } else {
    for (size_t run = 0; run < kProbeRuns; run++) {
      Probe(values + run * count / kProbeRuns, kBlockValues, bytes);
    }
  }
  return static_cast<unsigned>(std::min_element(bytes, bytes + kOrders) - bytes);
}

// A column of one block, of at least two values: the probe is the whole of it, so what it finds is
// not looked for again. Where a thousand sources are flushed often, most columns are such.
EncodedColumn EncodeOneBlock(const int64_t* values, size_t count, uint8_t* out) {
  int64_t buffers[2][kBlockValues];
  const int64_t* rest[kOrders] = {values, buffers[0], buffers[1]};
  BlockShape shapes[kOrders];
  size_t bytes[kOrders];
  size_t firsts = 0;
  for (unsigned order = 0; order < kOrders; order++) {
    const size_t length = count - order;
    bytes[order] = firsts;
    if (length == 0) break;  // two values, both of them firsts
    if (order > 0) Differences(rest[order - 1], length + 1, buffers[order - 1]);
    shapes[order] = ShapeOf(rest[order], length);
    bytes[order] += shapes[order].bytes;
    firsts += VarintBytes(Zigzag(rest[order][0]));
  }
  const auto order = static_cast<unsigned>(std::min_element(bytes, bytes + kOrders) - bytes);
  uint8_t* at = out;
  for (unsigned i = 0; i < order; i++) at = PutSvarint(at, rest[i][0]);
  if (count > order) at = EncodeBlock(at, rest[order], count - order, shapes[order]);
  return {static_cast<Codec>(kPfor + order), static_cast<size_t>(at - out)};
}

bool AllEqual(const int64_t* values, size_t count) {
  return std::all_of(values, values + count, [first = values[0]](int64_t v) { return v == first; });
}

// Unpacks what a reader has just taken, when `left` bytes are behind it. What lies behind a block
// is read only if it is there: else it is zeros of our own.
void Unpack(const uint8_t* packed, size_t bytes, size_t left, uint64_t* values, size_t count,
            unsigned width) {
  const size_t eights = (count + 7) / 8;
  if (eights * width + kUnpackSlackBytes <= bytes + left) {
    return kUnpackers[width](packed, values, eights);
  }
  uint8_t padded[kBlockValues * sizeof(uint64_t) + kUnpackSlackBytes] = {};
  std::memcpy(padded, packed, bytes);
  kUnpackers[width](padded, values, eights);
}

// `distances` of a block get their high bits.
bool DecodePatches(ByteReader* reader, uint64_t* distances, size_t count, unsigned width) {
  uint8_t patches;
  uint8_t patch_width;
  const uint8_t* positions;
  const uint8_t* packed;
  if (!reader->U8(&patches) || !reader->U8(&patch_width)) return false;
  if (patches < 1 || patches > kPatchesMax) return false;
  if (patch_width < 1 || width + patch_width > 64) return false;
  const size_t bytes = PackedBytes(patches, patch_width);
  if (!reader->Take(patches, &positions) || !reader->Take(bytes, &packed)) return false;
  uint64_t highs[kBlockValues];
  Unpack(packed, bytes, reader->left(), highs, patches, patch_width);
  // ascending and the last one in the block: then each is, and none needs a look of its own
  bool ascending = positions[patches - 1] < count;
  for (size_t i = 1; i < patches; i++) ascending &= positions[i - 1] < positions[i];
  if (!ascending) return false;
  for (size_t i = 0; i < patches; i++) distances[positions[i]] |= highs[i] << width;
  return true;
}

// A block as distances from its base.
bool ReadBlock(ByteReader* reader, uint64_t* distances, size_t count, int64_t* base) {
  uint8_t head;
  const uint8_t* packed;
  if (!reader->U8(&head)) return false;
  const unsigned width = head & ~kPatched & 0xffu;
  if (width > 64 || !reader->Svarint(base)) return false;
  const size_t bytes = PackedBytes(count, width);
  if (!reader->Take(bytes, &packed)) return false;
  Unpack(packed, bytes, reader->left(), distances, count, width);
  return (head & kPatched) == 0 || DecodePatches(reader, distances, count, width);
}

// Blocks over values, differences or differences of differences. `Value`: int64_t or double.
template <unsigned kOrder, typename Value>
bool DecodeBlocks(ByteReader* reader, Value* values, size_t count) {
  if (count < kOrder) return false;
  int64_t value = 0;
  int64_t difference = 0;
  if (kOrder > 0) {
    if (!reader->Svarint(&value)) return false;
    values[0] = static_cast<Value>(value);
  }
  if (kOrder > 1) {
    if (!reader->Svarint(&difference)) return false;
    value = Add(value, difference);
    values[1] = static_cast<Value>(value);
  }
  for (size_t at = kOrder; at < count; at += kBlockValues) {
    uint64_t distances[kBlockValues];
    int64_t base;
    const size_t length = std::min(kBlockValues, count - at);
    if (!ReadBlock(reader, distances, length, &base)) return false;
    Value* const block = values + at;
#pragma GCC unroll 8
    for (size_t i = 0; i < length; i++) {
      const int64_t stored = Add(base, static_cast<int64_t>(distances[i]));
      if (kOrder > 1) difference = Add(difference, stored);
      value = kOrder == 0 ? stored : Add(value, kOrder == 1 ? stored : difference);
      block[i] = static_cast<Value>(value);
    }
  }
  return true;
}

template <typename Value>
bool DecodeConstant(ByteReader* reader, Value* values, size_t count) {
  if (count == 0) return true;
  int64_t value;
  if (!reader->Svarint(&value)) return false;
  std::fill_n(values, count, static_cast<Value>(value));
  return true;
}

template <typename Value>
int DecodePlain(uint8_t codec, const uint8_t* bytes, size_t length, Value* values, size_t count) {
  ByteReader reader(bytes, length);
  bool whole = false;
  if (codec == kConstant) whole = DecodeConstant(&reader, values, count);
  if (codec == kPfor) whole = DecodeBlocks<0>(&reader, values, count);
  if (codec == kDeltaPfor) whole = DecodeBlocks<1>(&reader, values, count);
  if (codec == kDelta2Pfor) whole = DecodeBlocks<2>(&reader, values, count);
  return whole && reader.left() == 0 ? 0 : -EBADMSG;
}

}  // namespace

size_t IntegersBoundBytes(size_t count, unsigned bits) {
  const size_t blocks = (count + kBlockValues - 1) / kBlockValues;
  const unsigned width = std::min(64u, bits + 2);
  return 2 * kVarintMaxBytes + blocks * (1 + kVarintMaxBytes + kBlockValues * width / 8) +
         kPackSlackBytes;
}

EncodedColumn EncodeIntegers(const int64_t* values, size_t count, uint8_t* out) {
  if (count == 0) return {kPfor, 0};
  uint8_t* at = out;
  if (AllEqual(values, count)) {
    at = PutSvarint(at, values[0]);
    return {kConstant, static_cast<size_t>(at - out)};
  }
  if (count <= kBlockValues) return EncodeOneBlock(values, count, out);
  const unsigned order = ShortestOrder(values, count);
  if (order > 0) at = PutSvarint(at, values[0]);
  if (order > 1) at = PutSvarint(at, static_cast<int64_t>(Distance(values[0], values[1])));
  // differences are taken block by block, where they stay in the nearest cache
  int64_t differences[kBlockValues + 1];
  for (size_t from = 0; from < count - order; from += kBlockValues) {
    const size_t length = std::min(kBlockValues, count - order - from);
    const int64_t* block = values + from;
    for (unsigned left = order; left > 0; left--) {
      Differences(block, length + left, differences);  // in place: it reads ahead of its writing
      block = differences;
    }
    at = EncodeBlock(at, block, length, ShapeOf(block, length));
  }
  return {static_cast<Codec>(kPfor + order), static_cast<size_t>(at - out)};
}

int DecodeIntegers(uint8_t codec, const uint8_t* bytes, size_t length, int64_t* values,
                   size_t count) {
  if (codec >= kRans) return DecodeDense(codec, bytes, length, values, count);
  return DecodePlain(codec, bytes, length, values, count);
}

int DecodeNumbers(uint8_t codec, const uint8_t* bytes, size_t length, double* values,
                  size_t count) {
  if (codec < kRans) return DecodePlain(codec, bytes, length, values, count);
  // integers are as wide as doubles: each is turned into one where it stands
  auto* const integers = reinterpret_cast<int64_t*>(values);
  const int result = DecodeDense(codec, bytes, length, integers, count);
  for (size_t i = 0; i < count; i++) {
    int64_t integer;
    std::memcpy(&integer, &integers[i], sizeof integer);
    const auto number = static_cast<double>(integer);
    std::memcpy(&integers[i], &number, sizeof number);
  }
  return result;
}

}  // namespace helicorder
