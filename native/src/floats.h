// Codecs 5 and 7 of docs/format-batch.md for what is sampled: floats that are integers in disguise,
// else as they are. The same bytes as engine/codecs/scaled.ts and raw.ts, which are the reference
// to read first. (Codec 6, lz4, is for what is not written in a hurry.) Nothing is allocated.
#pragma once

#include <cstddef>
#include <cstdint>

#include "codecs.h"

namespace helicorder {

// The most bytes EncodeFloats may touch.
size_t FloatsBoundBytes(size_t count);

// The shorter one of both codecs, scaled if they are equal.
// `values`: of type f32 doubles that are floats. `integers`: room for `count`.
// `out`: FloatsBoundBytes.
EncodedColumn EncodeFloats(const double* values, size_t count, bool is_f32, int64_t* integers,
                           uint8_t* out);

}  // namespace helicorder
