#include "codecs.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "bits.h"
#include "dense.h"
#include "differences.h"
#include "pack.h"
#include "unpack.h"

namespace helicorder {
namespace {

constexpr size_t kProbeMaxValues = 512;
constexpr size_t kProbeRuns = 4;

// Most blocks are worked on in 32 bits, where twice as many values go through an instruction.
// Bounded like this around the first of them, values, their differences and the differences of
// those are exact, and so is the distance between any two of the same kind.
constexpr uint64_t kNarrow = 1 << 28;

// `out` receives values relative to `origin`. False if 32 bits are not enough for that.
bool Narrow(const int64_t* values, size_t count, int32_t* out, int64_t* origin) {
  *origin = values[0];
  // Around the ends of the range the least distance from there is not that of the least value.
  constexpr auto kMargin = static_cast<int64_t>(kNarrow);
  if (*origin < INT64_MIN + kMargin || *origin > INT64_MAX - kMargin) return false;
  uint64_t bits = 0;
  for (size_t i = 0; i < count; i++) {
    const uint64_t distance = Distance(values[0], values[i]) + kNarrow;
    out[i] = static_cast<int32_t>(distance - kNarrow);
    bits |= distance;
  }
  return bits < 2 * kNarrow;
}

bool Narrow(const int32_t* values, size_t count, int32_t* out, int64_t* origin) {
  *origin = 0;
  std::copy_n(values, count, out);
  return true;
}

// Copies up to kMax values and gives them to `work` with their origin: as int32_t, if possible.
template <size_t kMax, typename T, typename Work>
auto WithCopy(const T* values, size_t count, Work work) {
  int32_t narrow[kMax];
  int64_t origin;
  if (Narrow(values, count, narrow, &origin)) return work(narrow, origin);
  int64_t wide[kMax];
  std::copy_n(values, count, wide);
  return work(wide, 0);
}

template <typename T>
size_t BlocksBytes(const T* values, size_t count, int64_t origin) {
  size_t bytes = 0;
  Block<T> block;
  for (size_t at = 0; at < count; at += kBlockValues) {
    ShapeBlock(values + at, std::min(kBlockValues, count - at), origin, &block);
    bytes += block.shape.bytes;
  }
  return bytes;
}

template <typename T>
void ProbeAs(T* values, size_t count, int64_t origin, size_t bytes[kOrders]) {
  size_t firsts = 0;
  for (unsigned order = 0; order < kOrders; order++) {
    bytes[order] += firsts + BlocksBytes(values, count, origin);
    if (count == 0) return;  // of so few values all are equal, or a lower order is shorter
    if (order + 1 == kOrders) return;
    firsts += VarintBytes(Zigzag(Add(origin, values[0])));
    TakeDifferences(values, count--);
    origin = 0;
  }
}

// Adds to bytes[order] what a column of up to kProbeMaxValues values needs with codec 2 + order.
template <typename T>
void Probe(const T* values, size_t count, size_t bytes[kOrders]) {
  WithCopy<kProbeMaxValues>(
      values, count, [&](auto* copy, int64_t origin) { ProbeAs(copy, count, origin, bytes); });
}

template <typename T>
unsigned ShortestOrder(const T* values, size_t count) {
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
// `values` are relative to `origin`, and used up.
template <typename T>
EncodedColumn EncodeOneBlock(T* values, size_t count, int64_t origin, uint8_t* out) {
  Block<T> blocks[kOrders];
  int64_t first[kOrders];
  size_t bytes[kOrders];
  size_t firsts = 0;
  for (unsigned order = 0; order < kOrders; order++) {
    const size_t length = count - order;
    bytes[order] = firsts;
    if (length == 0) break;  // two values, both of them firsts
    if (order > 0) TakeDifferences(values, length + 1);
    ShapeBlock(values, length, order > 0 ? 0 : origin, &blocks[order]);
    bytes[order] += blocks[order].shape.bytes;
    first[order] = Add(order > 0 ? 0 : origin, values[0]);
    firsts += VarintBytes(Zigzag(first[order]));
  }
  const auto order = static_cast<unsigned>(std::min_element(bytes, bytes + kOrders) - bytes);
  uint8_t* at = out;
  for (unsigned i = 0; i < order; i++) at = PutSvarint(at, first[i]);
  if (count > order) at = PutBlock(at, count - order, &blocks[order]);
  return {static_cast<Codec>(kPfor + order), static_cast<size_t>(at - out)};
}

// `order` values more than `length`, relative to `origin`; they are used up.
template <typename T>
uint8_t* EncodeBlock(uint8_t* out, T* values, size_t length, unsigned order, int64_t origin) {
  for (unsigned left = order; left > 0; left--) TakeDifferences(values, length + left);
  Block<T> block;
  ShapeBlock(values, length, order > 0 ? 0 : origin, &block);
  return PutBlock(out, length, &block);
}

template <typename T>
bool AllEqual(const T* values, size_t count) {
  return std::all_of(values, values + count, [first = values[0]](T v) { return v == first; });
}

template <typename T>
EncodedColumn EncodeColumn(const T* values, size_t count, uint8_t* out) {
  if (count == 0) return {kPfor, 0};
  uint8_t* at = out;
  if (AllEqual(values, count)) {
    at = PutSvarint(at, values[0]);
    return {kConstant, static_cast<size_t>(at - out)};
  }
  if (count <= kBlockValues) {
    return WithCopy<kBlockValues>(values, count, [&](auto* copy, int64_t origin) {
      return EncodeOneBlock(copy, count, origin, out);
    });
  }
  const unsigned order = ShortestOrder(values, count);
  if (order > 0) at = PutSvarint(at, values[0]);
  if (order > 1) at = PutSvarint(at, static_cast<int64_t>(Distance(values[0], values[1])));
  // differences are taken block by block, where they stay in the nearest cache
  for (size_t from = 0; from < count - order; from += kBlockValues) {
    const size_t length = std::min(kBlockValues, count - order - from);
    at = WithCopy<kBlockValues + kOrders>(
        values + from, length + order,
        [&](auto* copy, int64_t origin) { return EncodeBlock(at, copy, length, order, origin); });
  }
  return {static_cast<Codec>(kPfor + order), static_cast<size_t>(at - out)};
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
  RunningSum<kOrder> sum;
  int64_t stored;
  if (kOrder > 0) {
    if (!reader->Svarint(&stored)) return false;
    values[0] = static_cast<Value>(sum.First(stored));
  }
  if (kOrder > 1) {
    if (!reader->Svarint(&stored)) return false;
    values[1] = static_cast<Value>(sum.Second(stored));
  }
  for (size_t at = kOrder; at < count; at += kBlockValues) {
    uint64_t distances[kBlockValues];
    int64_t base;
    const size_t length = std::min(kBlockValues, count - at);
    if (!ReadBlock(reader, distances, length, &base)) return false;
    Value* const block = values + at;
#pragma GCC unroll 8
    for (size_t i = 0; i < length; i++) {
      block[i] = static_cast<Value>(sum.Next(Add(base, static_cast<int64_t>(distances[i]))));
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
  return EncodeColumn(values, count, out);
}

EncodedColumn EncodeIntegers(const int32_t* values, size_t count, uint8_t* out) {
  return EncodeColumn(values, count, out);
}

int DecodeIntegers(uint8_t codec, const uint8_t* bytes, size_t length, int64_t* values,
                   size_t count) {
  if (codec >= kRans) {
    const DenseColumn column = {codec, bytes, length, values, count};
    return DecodeDense(&column, 1);
  }
  return DecodePlain(codec, bytes, length, values, count);
}

int DecodeNumbers(uint8_t codec, const uint8_t* bytes, size_t length, double* values,
                  size_t count) {
  if (codec < kRans) return DecodePlain(codec, bytes, length, values, count);
  auto* const places = reinterpret_cast<int64_t*>(values);
  const DenseColumn column = {codec, bytes, length, places, count, true};
  return DecodeDense(&column, 1);
}

}  // namespace helicorder
