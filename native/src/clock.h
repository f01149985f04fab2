// The kernel's clocks. Any thread.
#pragma once

#include <time.h>

#include <cstdint>
#include <string>

namespace helicorder {

// One clock, ns.
int64_t NowNanos(clockid_t clock);

// One reading of three clocks, ns. `uncertainty_ns` is the time between the two readings of the
// monotonic clock that enclose the others; `monotonic_ns` is the middle between them.
struct ClockReading {
  int64_t monotonic_ns;
  int64_t boottime_ns;
  int64_t utc_ns;
  int64_t uncertainty_ns;
};

// The tightest of up to five readings: an interrupt between two of them spoils one, not all.
ClockReading ReadClocks();

struct KernelClock {
  bool synchronized;
  int64_t max_error_us;
};

// The kernel's own opinion of UTC: adjtimex(2), STA_UNSYNC and maxerror. Returns 0 or -errno.
int ReadKernelClock(KernelClock* out);

// Fills `out` with /proc/sys/kernel/random/boot_id, 36 characters. Returns 0 or -errno.
int ReadBootId(std::string* out);

}  // namespace helicorder
