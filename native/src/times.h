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

// nanos: origin + tick × period + residual × resolution, floored to the resolution, modulo 2^64 as
// a BigInt64Array keeps it; lateness: residual × resolution as a double. Ticks are whole numbers
// below 2^53.
inline void SampleTimes(const TimeBase& base, const double* ticks, const int64_t* residuals,
                        size_t count, int64_t* nanos, double* lateness) {
  const auto origin = static_cast<uint64_t>(base.origin_nanos);
  const auto period = static_cast<uint64_t>(base.period_nanos);
  const auto resolution = static_cast<uint64_t>(base.resolution_nanos);
  const auto unit = static_cast<double>(base.resolution_nanos);
  for (size_t i = 0; i < count; i++) {
    const auto tick = static_cast<uint64_t>(static_cast<int64_t>(ticks[i]));
    const uint64_t late = static_cast<uint64_t>(residuals[i]) * resolution;
    nanos[i] = static_cast<int64_t>(origin + tick * period + late);
    lateness[i] = static_cast<double>(residuals[i]) * unit;
  }
  if (base.resolution_nanos == 1) return;
  for (size_t i = 0; i < count; i++) {
    const uint64_t floored = FloorTo(static_cast<uint64_t>(nanos[i]), base.resolution_nanos);
    nanos[i] = static_cast<int64_t>(floored);
  }
}

}  // namespace helicorder
