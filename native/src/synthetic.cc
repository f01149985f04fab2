#include "synthetic.h"

#include <cmath>
#include <cstring>
#include <iterator>

namespace helicorder {

namespace {

constexpr double kTwoPi = 6.283185307179586;
constexpr double kAmplitudes[] = {6000, 2500, 900};
// cycles per tick × 2^32: the phase is a u32 that wraps by itself
constexpr uint32_t kIncrements[] = {127560529, 349183841, 932437397};
constexpr size_t kSineBits = 10;
constexpr uint64_t kImpactPeriod = 251;
constexpr size_t kImpactTicks = 64;

// The same for all sources: a thousand of them read it at each tick, and it has to stay in cache.
struct Shapes {
  std::array<std::array<int16_t, 1 << kSineBits>, std::size(kAmplitudes)> waves;
  std::array<int16_t, kImpactTicks> impact;

  Shapes() {
    for (size_t h = 0; h < waves.size(); h++) {
      for (size_t i = 0; i < waves[h].size(); i++) {
        const double angle = kTwoPi * static_cast<double>(i) / static_cast<double>(1 << kSineBits);
        waves[h][i] = static_cast<int16_t>(std::lrint(kAmplitudes[h] * std::sin(angle)));
      }
    }
    for (size_t p = 0; p < kImpactTicks; p++) {
      const double time = static_cast<double>(p);
      const double value = 9000 * std::exp(-time / 8) * std::sin(kTwoPi * 0.31 * time);
      impact[p] = static_cast<int16_t>(std::lrint(value));
    }
  }
};

const Shapes kShapes;

// The finaliser of SplitMix64 (Steele, Lea, Flood, OOPSLA 2014).
uint64_t Mix(uint64_t value) {
  value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9;
  value = (value ^ (value >> 27)) * 0x94d049bb133111eb;
  return value ^ (value >> 31);
}

}  // namespace

Synthetic::Synthetic(uint64_t seed, std::vector<RowChannel> channels)
    : seed_(Mix(seed + 0x9e3779b97f4a7c15)),
      impact_shift_(seed_ % kImpactPeriod),
      channels_(std::move(channels)),
      phases_(channels_.size()) {
  for (size_t c = 0; c < phases_.size(); c++) {
    for (size_t h = 0; h < kHarmonics; h++) {
      phases_[c][h] = static_cast<uint32_t>(Mix(seed_ + c * kHarmonics + h));
    }
  }
}

int16_t Synthetic::Value(size_t channel, uint64_t tick) const {
  const auto k = static_cast<uint32_t>(tick);
  int value = 0;
  for (size_t h = 0; h < kHarmonics; h++) {
    const uint32_t phase = phases_[channel][h] + k * kIncrements[h];
    value += kShapes.waves[h][phase >> (32 - kSineBits)];
  }
  value += static_cast<int>(Mix(seed_ ^ (tick * 1024 + channel)) & 511) - 256;
  const uint64_t since_impact = (tick + impact_shift_) % kImpactPeriod;
  if (since_impact < kImpactTicks)
    value += kShapes.impact[since_impact] / (1 + static_cast<int>(channel % 4));
  return static_cast<int16_t>(value);
}

bool Synthetic::Read(uint64_t tick, int64_t, uint8_t* row) {
  for (size_t c = 0; c < channels_.size(); c++) {
    const int16_t value = Value(c, tick);
    std::memcpy(row + channels_[c].row_offset, &value, sizeof value);
  }
  return true;
}

}  // namespace helicorder
