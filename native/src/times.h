// The times of decoded samples: what the time column of a batch stands for (docs/format-batch.md).
#pragma once

#include <cstddef>
#include <cstdint>

namespace helicorder {

struct TimeBase {
  // UTC of tick 0, ns
  int64_t origin_nanos;
  int64_t period_nanos;
  // ≥ 1
  int64_t resolution_nanos;
};

// The largest multiple of `unit` ≥ 1 that is not above `value`, a signed number, modulo 2^64.
inline uint64_t FloorTo(uint64_t value, int64_t unit) {
  const int64_t rest = static_cast<int64_t>(value) % unit;
  return value - static_cast<uint64_t>(rest < 0 ? rest + unit : rest);
}

// Samples with consecutive ticks: `count` times origin + tick × period + residual × resolution,
// floored to the resolution, modulo 2^64 as a BigInt64Array keeps it.
inline void StretchTimes(const TimeBase& base, int64_t first_tick, const int64_t* residuals,
                         size_t count, int64_t* nanos) {
  const auto period = static_cast<uint64_t>(base.period_nanos);
  const auto resolution = static_cast<uint64_t>(base.resolution_nanos);
  uint64_t due =
      static_cast<uint64_t>(base.origin_nanos) + static_cast<uint64_t>(first_tick) * period;
  if (resolution == 1) {
    for (size_t i = 0; i < count; i++, due += period) {
      nanos[i] = static_cast<int64_t>(due + static_cast<uint64_t>(residuals[i]));
    }
    return;
  }
  for (size_t i = 0; i < count; i++, due += period) {
    const uint64_t exact = due + static_cast<uint64_t>(residuals[i]) * resolution;
    nanos[i] = static_cast<int64_t>(FloorTo(exact, base.resolution_nanos));
  }
}

}  // namespace helicorder
