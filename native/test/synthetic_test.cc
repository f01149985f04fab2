// The synthetic source is a pure function of (seed, channel, tick), within the bounds it documents.
#include "synthetic.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "check.h"

using helicorder::RowChannel;
using helicorder::Synthetic;

namespace {

constexpr size_t kChannels = 8;
constexpr uint64_t kTicks = 5000;
constexpr int kBound = 18'656;

std::vector<RowChannel> Channels() {
  std::vector<RowChannel> channels;
  for (uint32_t c = 0; c < kChannels; c++) channels.push_back({2, 32 + 2 * c});
  return channels;
}

void TheSameSeedIsTheSameSignalInWhateverOrderItIsAsked() {
  const Synthetic one(7, Channels());
  Synthetic same(7, Channels());
  for (uint64_t tick = kTicks; tick-- > 0;) {
    uint8_t row[32 + 2 * kChannels];
    CHECK(same.Read(tick, 123, row));
    for (size_t c = 0; c < kChannels; c++) {
      int16_t value;
      std::memcpy(&value, row + 32 + 2 * c, sizeof value);
      CHECK(value == one.Value(c, tick));
    }
  }
}

// How many of the ticks have different values.
uint64_t Differences(const Synthetic& a, size_t channel_a, const Synthetic& b, size_t channel_b) {
  uint64_t count = 0;
  for (uint64_t tick = 0; tick < kTicks; tick++) {
    count += a.Value(channel_a, tick) != b.Value(channel_b, tick);
  }
  return count;
}

void SeedsAndChannelsDiffer() {
  for (uint64_t seed = 0; seed < 5; seed++) {
    const Synthetic one(seed, Channels()), next(seed + 1, Channels());
    CHECK(Differences(one, 0, next, 0) > kTicks * 9 / 10);
    for (size_t c = 1; c < kChannels; c++) CHECK(Differences(one, 0, one, c) > kTicks * 9 / 10);
  }
}

void NothingClipsAtAnyTick() {
  for (const uint64_t seed : {uint64_t{0}, uint64_t{1}, uint64_t{9007199254740991}}) {
    const Synthetic source(seed, Channels());
    int highest = 0;
    for (const uint64_t first : {uint64_t{0}, uint64_t{1} << 32, uint64_t{1} << 62}) {
      for (uint64_t tick = first; tick < first + kTicks; tick++) {
        for (size_t c = 0; c < kChannels; c++) {
          highest = std::max(highest, std::abs(int{source.Value(c, tick)}));
        }
      }
    }
    CHECK(highest <= kBound && highest > kBound / 2);
  }
}

// The bearing's impacts come every 251 ticks and are louder near it, on channel 0.
void ImpactsComeAtTheirPeriod() {
  const Synthetic source(3, Channels());
  uint64_t loud[251] = {};
  for (uint64_t tick = 0; tick < 251 * 400; tick++) {
    loud[tick % 251] += static_cast<uint64_t>(std::abs(int{source.Value(0, tick)}));
  }
  uint64_t sum = 0, most = 0;
  for (const uint64_t value : loud) {
    sum += value;
    most = std::max(most, value);
  }
  CHECK(most > sum / 251 * 5 / 4);
}

}  // namespace

int main() {
  TheSameSeedIsTheSameSignalInWhateverOrderItIsAsked();
  SeedsAndChannelsDiffer();
  NothingClipsAtAnyTick();
  ImpactsComeAtTheirPeriod();
}
