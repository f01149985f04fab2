// Codecs 8–10 of docs/format-batch.md: integers ↔ as few bytes as a table of frequencies gets
// them to, for columns that are kept for years and written once. The log does not use them.
//
// A value (or difference, or difference of differences) is taken as distance from the column's
// base, zigzag; its sign, magnitude and two most significant bits make a token, which is coded by
// rANS; the bits below are noise in most signals and stay as they are. The frequencies may depend
// on the magnitude of the value before: signals are quiet and lively by turns.
#pragma once

#include <cstddef>
#include <cstdint>

#include "codecs.h"

namespace helicorder {

// The most bytes EncodeDense may touch.
size_t DenseBoundBytes(size_t count);

// Encodes with the one of codecs 8–10, and with the contexts, that need least by an exact count of
// tokens. `out`: DenseBoundBytes. Allocates some 20 bytes per value while it runs.
EncodedColumn EncodeDense(const int64_t* values, size_t count, uint8_t* out);

// The shorter one of that and EncodeIntegers; the latter if they are equally long.
EncodedColumn EncodeShorter(const int64_t* values, size_t count, uint8_t* out);

struct DenseColumn {
  uint8_t codec;
  const uint8_t* bytes;
  size_t length;
  int64_t* values;
  size_t count;             // of values
  bool as_doubles = false;  // in the place of each integer stands the double of its value
};

// As DecodeIntegers, for columns of codecs 8–10. Two take little longer than the longer one of
// them. Allocates their tables, of a fixed size.
int DecodeDense(const DenseColumn* columns, size_t count);

}  // namespace helicorder
