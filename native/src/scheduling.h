// The scheduling ladder of a sampler thread: each step is tried, what is refused is reported.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace helicorder {

enum class Rung { kFifoPinned, kFifo, kOther };
enum class Realtime { kAuto, kOff, kRequire };

struct SchedulingRequest {
  Realtime realtime = Realtime::kAuto;
  int priority = 50;  // SCHED_FIFO, 1–99
  int cpu = -1;       // −1: not pinned
  void* memory = nullptr;
  size_t memory_bytes = 0;
};

struct SchedulingReport {
  Rung rung = Rung::kOther;
  int pinned_cpu = -1;
  bool memory_locked = false;
  int64_t timer_slack_nanos = 0;
  std::vector<std::string> refused;  // "sched_setscheduler: EPERM" …
  int fifo_error = 0;                // errno of the refused SCHED_FIFO, or 0
};

// Applies the request to the calling thread: slack, locks of `memory` and of the thread's stack,
// pin, SCHED_FIFO. Never mlockall: V8 on Node 20 aborts under it.
SchedulingReport ApplyScheduling(const SchedulingRequest& request);

}  // namespace helicorder
