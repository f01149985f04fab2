#include "column_table.h"

#include "codecs.h"

namespace helicorder {
namespace {

constexpr size_t kRowHead = 2;
constexpr uint32_t kCodecShift = 24;
constexpr uint32_t kColumnBytesMask = (1u << kCodecShift) - 1;
// Rows are far apart: those that come so much later are asked for ahead.
constexpr size_t kRowsAhead = 6;

}  // namespace

bool DecodeRows(const ChannelColumns& of, int64_t* values, size_t count) {
  const size_t length = kRowHead + of.channel + 1;
  for (size_t at = of.first; at + length <= of.numbers; at += of.stride) {
    const uint32_t* row = of.rows + at;
    if (at + kRowsAhead * of.stride < of.numbers) {
      __builtin_prefetch(row + kRowsAhead * of.stride);
      __builtin_prefetch(of.memory + row[(kRowsAhead / 2) * of.stride]);
    }
    size_t start = row[0];
    const uint32_t taken = row[1], head = row[length - 1];
    for (size_t i = 0; i < of.channel; i++) start += row[kRowHead + i] & kColumnBytesMask;
    const size_t bytes = head & kColumnBytesMask;
    if (start > of.bytes || bytes > of.bytes - start || taken > count) return false;
    const auto codec = static_cast<uint8_t>(head >> kCodecShift);
    if (DecodeIntegers(codec, of.memory + start, bytes, values, taken) < 0) {
      return false;
    }
    values += taken;
    count -= taken;
  }
  return count == 0;
}

}  // namespace helicorder
