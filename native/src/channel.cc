#include "channel.h"

#include "bits.h"
#include "floats.h"

namespace helicorder {
namespace {

// Values of 16 bits and less are encoded in 32.
bool IsNarrow(ChannelType type) { return type <= kU16; }

template <typename T, typename Value>
void GatherAs(const uint8_t* at, size_t stride, size_t count, std::byte* column, size_t from) {
  auto* const values = reinterpret_cast<Value*>(column) + from;
  for (size_t i = 0; i < count; i++) values[i] = static_cast<Value>(Load<T>(at + i * stride));
}

}  // namespace

bool IsFloat(ChannelType type) { return type >= kF32; }

size_t ValueBytes(ChannelType type) {
  if (IsFloat(type)) return type == kF32 ? sizeof(float) : sizeof(double);
  return size_t{1} << (type / 2);
}

size_t ColumnBytes(ChannelType type, size_t rows) {
  return rows * (IsNarrow(type) ? sizeof(int32_t) : sizeof(int64_t));
}

size_t ColumnBoundBytes(ChannelType type, size_t rows) {
  if (IsFloat(type)) return FloatsBoundBytes(rows);
  return IntegersBoundBytes(rows, static_cast<unsigned>(8 * ValueBytes(type)));
}

void Gather(ChannelType type, const uint8_t* at, size_t stride, size_t rows, std::byte* column,
            size_t from) {
  switch (type) {
    case kI8:
      return GatherAs<int8_t, int32_t>(at, stride, rows, column, from);
    case kU8:
      return GatherAs<uint8_t, int32_t>(at, stride, rows, column, from);
    case kI16:
      return GatherAs<int16_t, int32_t>(at, stride, rows, column, from);
    case kU16:
      return GatherAs<uint16_t, int32_t>(at, stride, rows, column, from);
    case kI32:
      return GatherAs<int32_t, int64_t>(at, stride, rows, column, from);
    case kU32:
      return GatherAs<uint32_t, int64_t>(at, stride, rows, column, from);
    case kF32:
      return GatherAs<float, double>(at, stride, rows, column, from);
    case kF64:
      return GatherAs<double, double>(at, stride, rows, column, from);
    default:
      return GatherAs<int64_t, int64_t>(at, stride, rows, column, from);
  }
}

EncodedColumn EncodeColumn(ChannelType type, const std::byte* column, size_t rows,
                           int64_t* integers, uint8_t* out) {
  if (IsFloat(type)) {
    const auto* const values = reinterpret_cast<const double*>(column);
    return EncodeFloats(values, rows, type == kF32, integers, out);
  }
  return IsNarrow(type) ? EncodeIntegers(reinterpret_cast<const int32_t*>(column), rows, out)
                        : EncodeIntegers(reinterpret_cast<const int64_t*>(column), rows, out);
}

}  // namespace helicorder
