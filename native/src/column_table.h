// A table of encoded columns, as engine/codecs/column-table.ts fills it, and what one of its
// channels holds. It belongs to the caller; any thread.
#pragma once

#include <cstddef>
#include <cstdint>

namespace helicorder {

struct ChannelColumns {
  const uint32_t* rows;
  // Of all rows.
  size_t numbers;
  // The stream's first row, and how far it is from each to the next.
  size_t first;
  size_t stride;
  size_t channel;
  const uint8_t* memory;
  size_t bytes;
};

// Decodes row after row. False if they are not exactly `count` values; then `values` holds
// anything.
bool DecodeRows(const ChannelColumns& of, int64_t* values, size_t count);

}  // namespace helicorder
