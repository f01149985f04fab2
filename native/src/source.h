// What a sampler asks of a device.
#pragma once

#include <cstdint>

namespace helicorder {

// Where a channel's value goes: `type` indexes CHANNEL_TYPES of engine/batch/schema.ts, the offset
// counts from the row record's start.
struct RowChannel {
  uint32_t type;
  uint32_t row_offset;
};

// One open device. Used by one sampler thread only, after having been made on another.
class Source {
 public:
  virtual ~Source() = default;
  // Fills its channels of `row`; false if the device gave nothing, which is a gap(device). Called
  // at each tick with the monotonic time in ns: must not allocate, retry or wait longer than a few
  // ms.
  virtual bool Read(uint64_t tick, int64_t now_nanos, uint8_t* row) = 0;
};

}  // namespace helicorder
