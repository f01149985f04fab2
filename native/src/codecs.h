// Codecs 1–4 of docs/format-batch.md: integers ↔ bytes. The same bytes as engine/codecs, which is
// the reference to read first; here it is made fast.
//
// An encoder looks at a probe of at most 512 values to choose a codec, so its cost per value is
// that of one codec: differences, the smallest value of a block, the bits that each needs, packing.
// Nothing is allocated. Decoders never read or write outside what they are given, whatever the
// bytes say.
#pragma once

#include <cstddef>
#include <cstdint>

namespace helicorder {

enum Codec : uint8_t {
  kConstant = 1,
  kPfor = 2,
  kDeltaPfor = 3,
  kDelta2Pfor = 4,
  // of floats: floats.h
  kScaled = 5,
  kRaw = 7,
  // read by DecodeIntegers, never written by EncodeIntegers: dense.h
  kRans = 8,
  kDeltaRans = 9,
  kDelta2Rans = 10,
};

inline constexpr size_t kBlockValues = 128;

struct EncodedColumn {
  Codec codec;
  size_t bytes;
};

// The most bytes EncodeIntegers may touch for values of `bits` bits (differences need up to 2
// more).
size_t IntegersBoundBytes(size_t count, unsigned bits = 64);

// Encodes with the codec that the format prescribes for these values.
// `out`: IntegersBoundBytes.
EncodedColumn EncodeIntegers(const int64_t* values, size_t count, uint8_t* out);
// The same for values of at most 16 bits, signed or not.
EncodedColumn EncodeIntegers(const int32_t* values, size_t count, uint8_t* out);

// Fills `values`. 0, or −EBADMSG unless the bytes are exactly a column of `count` values; then
// `values` holds anything.
int DecodeIntegers(uint8_t codec, const uint8_t* bytes, size_t length, int64_t* values,
                   size_t count);

// The same into doubles, for integers that a double holds.
int DecodeNumbers(uint8_t codec, const uint8_t* bytes, size_t length, double* values, size_t count);

}  // namespace helicorder
