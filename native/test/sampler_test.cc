// A source without a device is a function of its seed; a sampler accounts for all its ticks.
#include "sampler.h"

#include "check.h"
#include "synthetic.h"

using namespace helicorder;

int main() {
  const Synthetic one(7, {{2, 32}, {2, 34}});
  const Synthetic same(7, {{2, 32}, {2, 34}});
  const Synthetic other(8, {{2, 32}, {2, 34}});
  bool differs = false;
  for (uint64_t tick = 0; tick < 1000; tick++) {
    CHECK(one.Value(1, tick) == same.Value(1, tick));
    differs |= one.Value(0, tick) != other.Value(0, tick);
  }
  CHECK(differs);

  std::vector<uint64_t> memory((512 + 65536) / 8);
  std::vector<uint64_t> words(SamplerStatus::kWords);
  memory[0] = uint64_t{kRingVersion} << 32 | kRingMagic;
  memory[1] = 65536;
  SamplerOptions options;
  options.ring = reinterpret_cast<uint8_t*>(memory.data());
  options.ring_bytes = memory.size() * 8;
  options.status = words.data();
  options.row_bytes = 40;
  options.validity_offset = 24;
  options.period_nanos = 1'000'000;
  std::vector<std::unique_ptr<Source>> sources;
  sources.push_back(std::make_unique<Synthetic>(7, std::vector<RowChannel>{{2, 32}}));
  Sampler sampler(options, std::move(sources));
  CHECK(sampler.Start() == 0);
  const SamplerStatus status(words.data());
  while (status.Get(SamplerStatus::kRows) < 20) sched_yield();
  sampler.Stop();
  CHECK(status.Get(SamplerStatus::kScheduled) == status.Get(SamplerStatus::kRows) +
                                                     status.Get(SamplerStatus::kLate) +
                                                     status.Get(SamplerStatus::kOverflow));
}
