#include "scheduling.h"

#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace helicorder {

namespace {

void Refuse(SchedulingReport& report, const char* call, int error) {
  const char* name = strerrorname_np(error);
  report.refused.push_back(std::string(call) + ": " + (name ? name : std::to_string(error)));
}

bool LockPages(const void* memory, size_t bytes) {
  const auto page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
  const uintptr_t start = reinterpret_cast<uintptr_t>(memory) & ~(page - 1);
  const uintptr_t end = reinterpret_cast<uintptr_t>(memory) + bytes;
  return mlock(reinterpret_cast<void*>(start), end - start) == 0;
}

bool LockStack() {
  pthread_attr_t attributes;
  void* stack = nullptr;
  size_t bytes = 0;
  if (const int error = pthread_getattr_np(pthread_self(), &attributes); error != 0) {
    errno = error;
    return false;
  }
  pthread_attr_getstack(&attributes, &stack, &bytes);
  pthread_attr_destroy(&attributes);
  return LockPages(stack, bytes);
}

void Pin(int cpu, SchedulingReport& report) {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (cpu >= CPU_SETSIZE) return Refuse(report, "sched_setaffinity", EINVAL);
  CPU_SET(cpu, &set);
  if (sched_setaffinity(0, sizeof set, &set) != 0) {
    return Refuse(report, "sched_setaffinity", errno);
  }
  report.pinned_cpu = cpu;
}

}  // namespace

SchedulingReport ApplyScheduling(const SchedulingRequest& request) {
  SchedulingReport report;
  // The default slack of 50 µs would be added to every wake-up under SCHED_OTHER.
  if (prctl(PR_SET_TIMERSLACK, 1UL, 0, 0, 0) != 0)
    Refuse(report, "prctl(PR_SET_TIMERSLACK)", errno);
  report.timer_slack_nanos = prctl(PR_GET_TIMERSLACK, 0, 0, 0, 0);
  const bool locked = LockPages(request.memory, request.memory_bytes) && LockStack();
  if (!locked) Refuse(report, "mlock", errno);
  report.memory_locked = locked;
  if (request.cpu >= 0) Pin(request.cpu, report);
  if (request.realtime == Realtime::kOff) return report;
  sched_param parameters = {};
  parameters.sched_priority = request.priority;
  if (sched_setscheduler(0, SCHED_FIFO, &parameters) != 0) {
    report.fifo_error = errno;
    Refuse(report, "sched_setscheduler", errno);
    return report;
  }
  report.rung = report.pinned_cpu >= 0 ? Rung::kFifoPinned : Rung::kFifo;
  return report;
}

}  // namespace helicorder
