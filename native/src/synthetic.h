// A source without a device: a machine's vibration, as a pure function of (seed, tick).
//
//   x(c, k) = Σ_h A_h · sin 2π(φ(c,h) + k·f_h) + noise(c, k) + impact(c, k)
//
// in raw int16 units, with h = 0, 1, 2; A = 6000, 2500, 900; f = 0.0297, 0.0813, 0.2171 cycles per
// tick. φ is drawn from the seed per channel. noise is uniform in ±256, 9 bits of
// a hash of (seed, c div 7, k).
// impact is the signature of a damaged bearing: every 251 ticks, shifted by the seed, a burst
// 9000 · e^(−p/8) · sin 2π(0.31·p) over p = 0…63 ticks, divided by 1 + c mod 4 (distance from the
// bearing). |x| ≤ 18,656, so nothing clips. No state: a tick that was skipped changes no other.
#pragma once

#include <array>
#include <cstddef>
#include <vector>

#include "source.h"

namespace helicorder {

class Synthetic final : public Source {
 public:
  static constexpr size_t kHarmonics = 3;
  // Of one channel, in 2^-32 of a cycle.
  using Phases = std::array<uint32_t, kHarmonics>;

  // All channels are i16.
  Synthetic(uint64_t seed, std::vector<RowChannel> channels);
  bool Read(uint64_t tick, int64_t now_nanos, uint8_t* row) override;
  // The raw value of one channel at one tick.
  int16_t Value(size_t channel, uint64_t tick) const;

 private:
  uint64_t NoiseBits(size_t channel, uint64_t tick) const;

  uint64_t seed_;
  uint64_t impact_shift_;
  std::vector<RowChannel> channels_;
  std::vector<Phases> phases_;
};

}  // namespace helicorder
