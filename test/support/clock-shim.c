/*
 * A preloadable shim that moves the wall clock of a program, and no other clock:
 *
 *   LD_PRELOAD=clock-shim.so  CLOCK_SHIM_FILE=/tmp/offset  program …
 *
 * CLOCK_SHIM_FILE  8 bytes, the offset in seconds as a native int64; it may change at any time
 *
 * Clocks are read by system calls: where libc takes its fast path nobody can come between.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const volatile int64_t none = 0;
static const volatile int64_t *offset_seconds = &none;

__attribute__((constructor)) static void open_offset(void) {
  const char *path = getenv("CLOCK_SHIM_FILE");
  if (path == NULL) return;
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) abort();
  void *page = mmap(NULL, sizeof(int64_t), PROT_READ, MAP_SHARED, fd, 0);
  if (page == MAP_FAILED) abort();
  close(fd);
  offset_seconds = page;
}

int clock_gettime(clockid_t clock, struct timespec *time) {
  const int result = (int)syscall(SYS_clock_gettime, clock, time);
  const int is_wall = clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE;
  if (result == 0 && is_wall) time->tv_sec += *offset_seconds;
  return result;
}

int gettimeofday(struct timeval *restrict time, void *restrict zone) {
  const int result = (int)syscall(SYS_gettimeofday, time, zone);
  if (result == 0) time->tv_sec += *offset_seconds;
  return result;
}
