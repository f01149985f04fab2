#include "synthetic.h"

#include <algorithm>
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
constexpr size_t kDistances = 4;
constexpr unsigned kNoiseBits = 9;
constexpr size_t kNoisesPerHash = 64 / kNoiseBits;

// The same for all sources: a thousand of them read it at each tick, and it has to stay in cache.
struct Shapes {
  std::array<std::array<int16_t, 1 << kSineBits>, std::size(kAmplitudes)> waves;
  // by distance from the bearing, and zeros until the next one
  std::array<std::array<int16_t, kImpactPeriod>, kDistances> impacts{};

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
      const auto rounded = static_cast<int>(std::lrint(value));
      for (size_t d = 0; d < kDistances; d++) {
        impacts[d][p] = static_cast<int16_t>(rounded / (1 + static_cast<int>(d)));
      }
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

int Noise(uint64_t bits) {
  return static_cast<int>(bits & ((1 << kNoiseBits) - 1)) - (1 << (kNoiseBits - 1));
}

// A value without its noise.
int Clean(const Synthetic::Phases& phases, uint64_t tick, int impact) {
  int value = impact;
  for (size_t h = 0; h < phases.size(); h++) {
    const uint32_t phase = phases[h] + static_cast<uint32_t>(tick) * kIncrements[h];
    value += kShapes.waves[h][phase >> (32 - kSineBits)];
  }
  return value;
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
  const size_t since_impact = (tick + impact_shift_) % kImpactPeriod;
  const int16_t impact = kShapes.impacts[channel % kDistances][since_impact];
  const int clean = Clean(phases_[channel], tick, impact);
  return static_cast<int16_t>(clean + Noise(NoiseBits(channel, tick)));
}

// Noise of `channel` and, in bits further up, of those behind it.
uint64_t Synthetic::NoiseBits(size_t channel, uint64_t tick) const {
  const uint64_t bits = Mix(seed_ ^ (tick * 1024 + channel / kNoisesPerHash));
  return bits >> channel % kNoisesPerHash * kNoiseBits;
}

bool Synthetic::Read(uint64_t tick, int64_t, uint8_t* row) {
  const size_t since_impact = (tick + impact_shift_) % kImpactPeriod;
  // what is stored in the row could be our own members, for all the compiler knows
  const RowChannel* const channels = channels_.data();
  const Phases* const phases = phases_.data();
  const size_t count = channels_.size();
  for (size_t c = 0; c < count;) {
    uint64_t noise = NoiseBits(c, tick);
    for (const size_t end = std::min(c + kNoisesPerHash, count); c < end; c++) {
      const int clean = Clean(phases[c], tick, kShapes.impacts[c % kDistances][since_impact]);
      const auto value = static_cast<int16_t>(clean + Noise(noise));
      noise >>= kNoiseBits;
      std::memcpy(row + channels[c].row_offset, &value, sizeof value);
    }
  }
  return true;
}

}  // namespace helicorder
