#include "sampler.h"

#include <time.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "clock.h"
#include "pause.h"
#include "thread.h"

namespace helicorder {

namespace {

constexpr int64_t kNanosPerSecond = 1'000'000'000;
constexpr int64_t kStopCheckNanos = 50'000'000;
constexpr int64_t kSuspendNanos = 1'000'000;
constexpr int64_t kTightReadingNanos = 100'000;
constexpr size_t kStackBytes = 256 * 1024;

// How far boottime is ahead of monotonic. A reading between which the thread was preempted would
// look like a suspend, so it is repeated until it is tight; after a few tries the last known value
// stands and the next tick looks again.
int64_t BootAhead(int64_t known) {
  for (int attempt = 0; attempt < 4; attempt++) {
    const int64_t before = NowNanos(CLOCK_MONOTONIC);
    const int64_t boot = NowNanos(CLOCK_BOOTTIME);
    if (NowNanos(CLOCK_MONOTONIC) - before < kTightReadingNanos) return boot - before;
  }
  return known;
}

}  // namespace

Sampler::Sampler(const SamplerOptions& options, std::vector<std::unique_ptr<Source>> sources)
    : options_(options), sources_(std::move(sources)), status_(options.status) {}

Sampler::~Sampler() { Stop(); }

int Sampler::Start() {
  const int64_t spin = options_.spin_nanos;
  if (spin < 0 || spin >= options_.period_nanos - spin) return -EINVAL;
  if (started_ || !ring_.Attach(options_.ring, options_.ring_bytes)) return -EINVAL;
  const int error = StartThread(&thread_, kStackBytes, Main, this);
  if (error < 0) return error;
  started_ = running_ = true;
  std::unique_lock lock(ready_mutex_);
  ready_.wait(lock, [this] { return is_ready_; });
  lock.unlock();
  if (options_.realtime != Realtime::kRequire || report_.fifo_error == 0) return 0;
  Stop();
  return -report_.fifo_error;
}

void Sampler::Stop() {
  if (!running_) return;
  running_ = false;
  stopping_.store(true, std::memory_order_relaxed);
  pthread_join(thread_, nullptr);
}

void* Sampler::Main(void* self) {
  auto* sampler = static_cast<Sampler*>(self);
  pthread_setname_np(pthread_self(), "heli-sampler");
  if (sampler->Prepare()) {
    sampler->options_.saturate ? sampler->RunSaturated() : sampler->Run();
  }
  sampler->ring_.Close();
  return nullptr;
}

// False if the caller insists on a rung that was refused: then no tick is taken.
bool Sampler::Prepare() {
  SchedulingRequest request;
  request.realtime = options_.realtime;
  request.priority = options_.priority;
  request.cpu = options_.cpu;
  request.memory = options_.ring;
  request.memory_bytes = options_.ring_bytes;
  SchedulingReport report = ApplyScheduling(request);
  const bool refused = options_.realtime == Realtime::kRequire && report.fifo_error != 0;
  boot_ahead_nanos_ = BootAhead(NowNanos(CLOCK_BOOTTIME) - NowNanos(CLOCK_MONOTONIC));
  const int64_t since = NowNanos(CLOCK_MONOTONIC) - options_.t0_nanos;
  next_tick_ = since < 0 ? 0 : static_cast<uint64_t>(since / options_.period_nanos) + 1;
  const std::lock_guard lock(ready_mutex_);
  report_ = std::move(report);
  is_ready_ = true;
  ready_.notify_one();
  return !refused;
}

void Sampler::Run() {
  while (AwaitDue(Due(next_tick_))) {
    CheckSuspend();
    const int64_t now = NowNanos(CLOCK_MONOTONIC);
    const int64_t late = now - Due(next_tick_);
    if (late > options_.period_nanos) {
      Skip(static_cast<uint64_t>((late - 1) / options_.period_nanos));
    }
    TakeRow(now);
  }
}

// False if the sampler was stopped meanwhile, as in the two below.
bool Sampler::AwaitDue(int64_t due_nanos) {
  const int64_t spin = options_.spin_nanos;
  if (spin == 0) return SleepUntil(due_nanos);
  // the clock has no time before 0
  return SleepUntil(std::max<int64_t>(0, due_nanos - spin)) && SpinUntil(due_nanos);
}

bool Sampler::SleepUntil(int64_t due_nanos) {
  while (!stopping_.load(std::memory_order_relaxed)) {
    const int64_t until = std::min(due_nanos, NowNanos(CLOCK_MONOTONIC) + kStopCheckNanos);
    const timespec time = {until / kNanosPerSecond, until % kNanosPerSecond};
    const int error = clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, nullptr);
    if (error == 0 && until == due_nanos) return !stopping_.load(std::memory_order_relaxed);
  }
  return false;
}

bool Sampler::SpinUntil(int64_t due_nanos) {
  uint64_t polls = 0;
  while (NowNanos(CLOCK_MONOTONIC) < due_nanos && !stopping_.load(std::memory_order_relaxed)) {
    polls++;
    Pause();
  }
  status_.Add(SamplerStatus::kPolls, polls);
  return !stopping_.load(std::memory_order_relaxed);
}

void Sampler::CheckSuspend() {
  const int64_t jump = BootAhead(boot_ahead_nanos_) - boot_ahead_nanos_;
  if (jump <= kSuspendNanos) return;
  boot_ahead_nanos_ += jump;
  status_.Add(SamplerStatus::kSuspendedNanos, static_cast<uint64_t>(jump));
  ring_.Miss(next_tick_, 0, GapReason::kSuspended, static_cast<uint64_t>(jump));
}

void Sampler::Skip(uint64_t ticks) {
  ring_.Miss(next_tick_, ticks, GapReason::kLate);
  status_.Add(SamplerStatus::kScheduled, ticks);
  status_.Add(SamplerStatus::kLate, ticks);
  next_tick_ += ticks;
}

void Sampler::TakeRow(int64_t now_nanos) {
  status_.Add(SamplerStatus::kScheduled, 1);
  status_.Set(SamplerStatus::kLastTick, next_tick_);
  status_.AddLateness(static_cast<uint64_t>(std::max<int64_t>(0, now_nanos - Due(next_tick_))));
  uint8_t* row = ring_.Claim(next_tick_, options_.row_bytes);
  if (row == nullptr) {
    const GapReason reason = ring_.FullReason();
    ring_.Miss(next_tick_, 1, reason);
    status_.Add(reason == GapReason::kFull ? SamplerStatus::kFull : SamplerStatus::kOverflow, 1);
  } else {
    FillRow(row, now_nanos);
    ring_.Commit();
    status_.Add(SamplerStatus::kRows, 1);
  }
  next_tick_++;
}

void Sampler::FillRow(uint8_t* row, int64_t time_nanos) {
  std::memcpy(row + kTimeAt, &time_nanos, sizeof time_nanos);
  uint8_t* validity = row + options_.validity_offset;
  uint64_t bits = 0;
  for (size_t i = 0; i < sources_.size(); i++) {
    if (sources_[i]->Read(next_tick_, time_nanos, row)) {
      bits |= uint64_t{1} << (i % 64);
    } else {
      status_.Add(SamplerStatus::kDeviceFailures, 1);
    }
    if (i % 64 != 63 && i + 1 != sources_.size()) continue;
    std::memcpy(validity + i / 64 * 8, &bits, sizeof bits);
    bits = 0;
  }
}

void Sampler::RunSaturated() {
  while (!stopping_.load(std::memory_order_relaxed)) {
    uint8_t* row = ring_.Claim(next_tick_, options_.row_bytes);
    if (row == nullptr) {
      // asleep: it would take the processor from whoever makes room
      constexpr timespec kPause{0, 50'000};
      nanosleep(&kPause, nullptr);
      continue;
    }
    // jitter below 2^13 ns by a multiplicative hash: time columns as hard to encode as real ones
    const auto jitter = static_cast<int64_t>((next_tick_ * 0x9e3779b97f4a7c15) >> 51);
    FillRow(row, Due(next_tick_) + jitter);
    ring_.Commit();
    status_.Add(SamplerStatus::kScheduled, 1);
    status_.Add(SamplerStatus::kRows, 1);
    status_.Set(SamplerStatus::kLastTick, next_tick_);
    next_tick_++;
  }
}

}  // namespace helicorder
