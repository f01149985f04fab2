// A sampler accounts for every tick, stops at once, and says which rung of the ladder it stands on.
#include "sampler.h"

#include <sched.h>

#include <cerrno>
#include <cstring>

#include "check.h"
#include "synthetic.h"

using namespace helicorder;

namespace {

constexpr size_t kRowBytes = 40;

// A sampler of one synthetic channel with the memory that it writes to.
class Bench {
 public:
  explicit Bench(size_t capacity)
      : memory_((kDataAt + capacity) / 8), words_(SamplerStatus::kWords), status_(words_.data()) {
    memory_[0] = uint64_t{kRingVersion} << 32 | kRingMagic;
    memory_[1] = capacity;
    options.ring = reinterpret_cast<uint8_t*>(memory_.data());
    options.ring_bytes = memory_.size() * 8;
    options.status = words_.data();
    options.row_bytes = kRowBytes;
    options.validity_offset = kValidityAt;
    options.period_nanos = 1'000'000;
    CHECK(reader_.Attach(options.ring, options.ring_bytes));
  }

  std::unique_ptr<Sampler> Make() {
    std::vector<std::unique_ptr<Source>> sources;
    sources.push_back(std::make_unique<Synthetic>(7, std::vector<RowChannel>{{2, 32}}));
    return std::make_unique<Sampler>(options, std::move(sources));
  }

  uint64_t Count(SamplerStatus::Word word) const { return status_.Get(word); }

  // Reads all that is published. Ticks must follow each other; returns the number of gap records.
  uint64_t Drain(uint64_t* rows) {
    uint64_t at = reader_.Tail(), gaps = 0;
    for (const uint64_t head = reader_.Head(); at < head;) {
      uint32_t length;
      uint16_t kind;
      uint64_t tick, ticks = 1;
      std::memcpy(&length, reader_.At(at), sizeof length);
      std::memcpy(&kind, reader_.At(at) + kKindAt, sizeof kind);
      if (kind != kPadding) {
        std::memcpy(&tick, reader_.At(at) + kTickAt, sizeof tick);
        if (kind == kGap) std::memcpy(&ticks, reader_.At(at) + kGapTicksAt, sizeof ticks);
        if (kind == kRow) CheckTime(tick, reader_.At(at));
        CHECK(!began_ || tick == next_tick_);
        began_ = true;
        next_tick_ = tick + ticks;
        *rows += kind == kRow;
        gaps += kind == kGap;
      }
      at += length;
    }
    reader_.Release(at);
    return gaps;
  }

  SamplerOptions options;

 private:
  // A row is never taken before its tick is due, nor longer than a period after that.
  void CheckTime(uint64_t tick, const uint8_t* row) const {
    if (options.saturate) return;  // its times are made up
    int64_t time;
    std::memcpy(&time, row + kTimeAt, sizeof time);
    const int64_t late =
        time - options.t0_nanos - static_cast<int64_t>(tick) * options.period_nanos;
    CHECK(late >= 0 && late <= options.period_nanos);
  }

  std::vector<uint64_t> memory_;
  std::vector<uint64_t> words_;
  SamplerStatus status_;
  RingReader reader_;
  bool began_ = false;
  uint64_t next_tick_ = 0;
};

void EveryTickIsARowOrAGap() {
  Bench bench(65536);
  const auto sampler = bench.Make();
  CHECK(sampler->Start() == 0);
  CHECK(sampler->Start() == -EINVAL);
  while (bench.Count(SamplerStatus::kRows) < 20) sched_yield();
  sampler->Stop();
  sampler->Stop();
  CHECK(bench.Count(SamplerStatus::kScheduled) == bench.Count(SamplerStatus::kRows) +
                                                      bench.Count(SamplerStatus::kLate) +
                                                      bench.Count(SamplerStatus::kOverflow));
  uint64_t rows = 0;
  bench.Drain(&rows);
  CHECK(rows == bench.Count(SamplerStatus::kRows));
}

// That it spins is seen by its looks at the clock; on a busy machine most wake-ups come too late
// for that, but not all.
void ASpinningSamplerPollsAndTakesTheSameTicks() {
  Bench bench(1 << 20);
  bench.options.spin_nanos = 499'999;  // the most at this period: just below half of it
  const auto sampler = bench.Make();
  CHECK(sampler->Start() == 0);
  uint64_t rows = 0;
  while (rows < 20 || bench.Count(SamplerStatus::kPolls) == 0) {
    sched_yield();
    bench.Drain(&rows);
    CHECK(rows < 100'000);
  }
  sampler->Stop();
  bench.Drain(&rows);
  CHECK(rows == bench.Count(SamplerStatus::kRows));
  CHECK(bench.Count(SamplerStatus::kScheduled) ==
        bench.Count(SamplerStatus::kRows) + bench.Count(SamplerStatus::kLate));
}

void ASamplerThatDoesNotSpinNeverPolls() {
  Bench bench(65536);
  const auto sampler = bench.Make();
  CHECK(sampler->Start() == 0);
  while (bench.Count(SamplerStatus::kRows) < 20) sched_yield();
  sampler->Stop();
  CHECK(bench.Count(SamplerStatus::kPolls) == 0);
}

// A thread of SCHED_FIFO that never sleeps is stopped by the kernel, and everything below it.
void ASpinOfHalfAPeriodOrMoreIsRefused() {
  for (const int64_t nanos : {int64_t{-1}, int64_t{500'000}, int64_t{1'000'000}, INT64_MAX}) {
    Bench bench(4096);
    bench.options.spin_nanos = nanos;
    CHECK(bench.Make()->Start() == -EINVAL);
    CHECK(bench.Count(SamplerStatus::kScheduled) == 0);
  }
}

void ASaturatedSamplerFillsItsRingWithoutGaps() {
  constexpr uint64_t kRows = 50'000;
  Bench bench(4096);
  bench.options.saturate = true;
  const auto sampler = bench.Make();
  CHECK(sampler->Start() == 0);
  uint64_t rows = 0;
  while (rows < kRows) CHECK(bench.Drain(&rows) == 0);
  sampler->Stop();
  CHECK(bench.Drain(&rows) == 0);
  CHECK(rows == bench.Count(SamplerStatus::kRows));
  CHECK(rows == bench.Count(SamplerStatus::kScheduled));
}

void RealtimeOffStaysOnTheLowestRungAndRefusesNothingOfIt() {
  Bench bench(4096);
  bench.options.realtime = Realtime::kOff;
  const auto sampler = bench.Make();
  CHECK(sampler->Start() == 0);
  CHECK(sampler->report().rung == Rung::kOther && sampler->report().fifo_error == 0);
  CHECK(sampler->report().timer_slack_nanos == 1);
  sampler->Stop();
}

void RealtimeRequireTakesNoTickIfItIsRefused() {
  Bench bench(4096);
  bench.options.realtime = Realtime::kRequire;
  bench.options.priority = 100;  // above the highest, whoever asks
  const auto sampler = bench.Make();
  CHECK(sampler->Start() == -EINVAL);
  CHECK(sampler->report().fifo_error == EINVAL && sampler->report().rung == Rung::kOther);
  CHECK(bench.Count(SamplerStatus::kScheduled) == 0);
}

void ASlowSamplerStopsLongBeforeItsNextTick() {
  Bench bench(4096);
  bench.options.t0_nanos = INT64_MAX / 2;  // in 146 years
  const auto sampler = bench.Make();
  CHECK(sampler->Start() == 0);
  sampler->Stop();
  CHECK(bench.Count(SamplerStatus::kScheduled) == 0);
}

void MemoryThatIsNoRingIsRefused() {
  Bench bench(4096);
  bench.options.ring_bytes -= 8;
  CHECK(bench.Make()->Start() == -EINVAL);
}

// The law of engine/base/histogram.ts, which test/unit/sampler/status.test.ts holds it to as well.
void ABucketBeginsWhereTheOneBeforeItEnds() {
  for (uint64_t bucket = 1; bucket < SamplerStatus::kBuckets; bucket++) {
    const uint64_t before = bucket - 1;
    const uint64_t least = before < 8 ? bucket : (9 + before % 8) << (before / 8 - 1);
    CHECK(SamplerStatus::BucketOf(least - 1) == before);
    CHECK(SamplerStatus::BucketOf(least) == bucket);
  }
  CHECK(SamplerStatus::BucketOf((uint64_t{1} << 48) - 1) == SamplerStatus::kBuckets - 1);
  CHECK(SamplerStatus::BucketOf(UINT64_MAX) == SamplerStatus::kBuckets - 1);
}

}  // namespace

int main() {
  EveryTickIsARowOrAGap();
  ASpinningSamplerPollsAndTakesTheSameTicks();
  ASamplerThatDoesNotSpinNeverPolls();
  ASpinOfHalfAPeriodOrMoreIsRefused();
  ASaturatedSamplerFillsItsRingWithoutGaps();
  RealtimeOffStaysOnTheLowestRungAndRefusesNothingOfIt();
  RealtimeRequireTakesNoTickIfItIsRefused();
  ASlowSamplerStopsLongBeforeItsNextTick();
  MemoryThatIsNoRingIsRefused();
  ABucketBeginsWhereTheOneBeforeItEnds();
}
