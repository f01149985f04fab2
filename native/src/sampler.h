// One thread that samples the sources of one rate group into one ring.
//
// Tick k is due at t0 + k·period on CLOCK_MONOTONIC; the first is the first after start. The thread
// sleeps until the absolute time of the next tick, so that no error adds up, takes the time, reads
// every source into a row claimed in the ring, and publishes it. With `spin_nanos` it wakes that
// much earlier and looks at the clock until the tick is due; nothing else changes. Rules:
//  * A tick reached more than one period late is skipped: gap(late). It is never invented.
//  * A row that does not fit is a gap with the reason the consumer has set: overflow or full.
//  * A source that cannot be read has validity bit 0 in that row; the others go on.
//  * CLOCK_BOOTTIME running ahead of CLOCK_MONOTONIC by more than 1 ms since the last tick: the
//    machine was suspended, which is gap(suspended) of 0 ticks, with the duration.
// After start the thread neither allocates nor locks nor calls into V8. Stop is a flag, looked at
// at least every 50 ms, so that a slow rate does not make stopping slow.
#pragma once

#include <pthread.h>

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "ring.h"
#include "sampler_status.h"
#include "scheduling.h"
#include "source.h"

namespace helicorder {

struct SamplerOptions {
  uint8_t* ring = nullptr;  // control block included; outlives the sampler
  size_t ring_bytes = 0;
  uint64_t* status = nullptr;  // SamplerStatus::kWords; outlives the sampler
  size_t row_bytes = 0;
  size_t validity_offset = 0;
  int64_t t0_nanos = 0;
  int64_t period_nanos = 0;
  Realtime realtime = Realtime::kAuto;
  int priority = 50;
  int cpu = -1;
  // Less than half a period: a SCHED_FIFO thread that never sleeps is held up by the kernel
  // (sched(7), sched_rt_runtime_us), and holds up all below it.
  int64_t spin_nanos = 0;
  bool saturate = false;  // benchmarks: no pacing, a full ring is waited for
};

class Sampler {
 public:
  Sampler(const SamplerOptions& options, std::vector<std::unique_ptr<Source>> sources);
  ~Sampler();
  Sampler(const Sampler&) = delete;
  Sampler& operator=(const Sampler&) = delete;

  // Returns once the thread's scheduling is set: 0, or −errno (EINVAL: not a ring, a spin that
  // is too long, or started before; with Realtime::kRequire the errno of the refused SCHED_FIFO).
  int Start();
  // Ends the thread, marks the ring closed, joins. May be called again.
  void Stop();
  // Of the caller's thread that started it, after Start().
  const SchedulingReport& report() const { return report_; }

 private:
  static void* Main(void* self);
  void Run();
  void RunSaturated();
  bool AwaitDue(int64_t due_nanos);
  bool SleepUntil(int64_t due_nanos);
  bool SpinUntil(int64_t due_nanos);
  void CheckSuspend();
  void Skip(uint64_t ticks);
  void TakeRow(int64_t now_nanos);
  void FillRow(uint8_t* row, int64_t time_nanos);
  bool Prepare();
  int64_t Due(uint64_t tick) const {
    return options_.t0_nanos + static_cast<int64_t>(tick) * options_.period_nanos;
  }

  SamplerOptions options_;
  std::vector<std::unique_ptr<Source>> sources_;
  RingProducer ring_;
  SamplerStatus status_;
  uint64_t next_tick_ = 0;
  int64_t boot_ahead_nanos_ = 0;
  std::atomic<bool> stopping_{false};
  bool started_ = false;
  bool running_ = false;
  pthread_t thread_ = {};
  std::mutex ready_mutex_;
  std::condition_variable ready_;
  bool is_ready_ = false;
  SchedulingReport report_;
};

}  // namespace helicorder
