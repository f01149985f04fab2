// The values of one channel: out of the rows of a ring into a column in memory, and from there into
// the bytes of a batch (docs/format-batch.md). In memory they are int32_t (16 bits and less),
// int64_t, or, if they are floats, double. Nothing is allocated.
#pragma once

#include <cstddef>
#include <cstdint>

#include "codecs.h"

namespace helicorder {

// Index into CHANNEL_TYPES of engine/batch/schema.ts.
enum ChannelType : uint8_t { kI8, kU8, kI16, kU16, kI32, kU32, kI64, kU64, kF32, kF64, kTypes };

bool IsFloat(ChannelType type);
// Of a value in its row.
size_t ValueBytes(ChannelType type);
// Of a column in memory.
size_t ColumnBytes(ChannelType type, size_t rows);
// The most bytes EncodeColumn may touch.
size_t ColumnBoundBytes(ChannelType type, size_t rows);

// Values `from` … of a column: the first at `at`, each `stride` bytes behind the one before.
void Gather(ChannelType type, const uint8_t* at, size_t stride, size_t rows, std::byte* column,
            size_t from);

// `integers`: room for `rows` values of a float channel, else not looked at.
EncodedColumn EncodeColumn(ChannelType type, const std::byte* column, size_t rows,
                           int64_t* integers, uint8_t* out);

}  // namespace helicorder
