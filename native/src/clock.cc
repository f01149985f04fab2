#include "clock.h"

#include <fcntl.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>

namespace helicorder {

int64_t NowNanos(clockid_t clock) {
  timespec time;
  clock_gettime(clock, &time);
  return time.tv_sec * INT64_C(1'000'000'000) + time.tv_nsec;
}

namespace {

constexpr int kTries = 5;
// A bracket this tight is what an undisturbed reading takes; there is nothing left to gain.
constexpr int64_t kTightNs = 250;
constexpr size_t kBootIdLength = 36;

ClockReading ReadOnce() {
  const int64_t before = NowNanos(CLOCK_MONOTONIC);
  const int64_t utc = NowNanos(CLOCK_REALTIME);
  const int64_t boottime = NowNanos(CLOCK_BOOTTIME);
  const int64_t after = NowNanos(CLOCK_MONOTONIC);
  return {before + (after - before) / 2, boottime, utc, after - before};
}

}  // namespace

ClockReading ReadClocks() {
  ClockReading best = ReadOnce();
  for (int i = 1; i < kTries && best.uncertainty_ns > kTightNs; i++) {
    const ClockReading next = ReadOnce();
    if (next.uncertainty_ns < best.uncertainty_ns) best = next;
  }
  return best;
}

int ReadKernelClock(KernelClock* out) {
  timex query{};
  if (adjtimex(&query) < 0) return -errno;
  *out = {(query.status & STA_UNSYNC) == 0, query.maxerror};
  return 0;
}

int ReadBootId(std::string* out) {
  const int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
  if (fd < 0) return -errno;
  char text[kBootIdLength];
  const ssize_t length = read(fd, text, sizeof text);
  const int error = length < 0 ? -errno : 0;
  close(fd);
  if (error != 0) return error;
  if (static_cast<size_t>(length) != sizeof text) return -EIO;
  out->assign(text, sizeof text);
  return 0;
}

}  // namespace helicorder
