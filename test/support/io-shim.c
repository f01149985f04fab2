/*
 * A preloadable shim that makes one system call on a file fail, come up short, or be the last thing
 * the process does:
 *
 *   LD_PRELOAD=io-shim.so  IO_SHIM_PATH=/tmp/store  IO_SHIM_LOG=/tmp/calls
 *   IO_SHIM_CALL=pwrite  IO_SHIM_NTH=7  IO_SHIM_FAULT=EIO  program …
 *
 * IO_SHIM_PATH    only calls on paths that contain this are looked at
 * IO_SHIM_LOG     a line for each of them: number within its kind, kind, result (`ok`, `failed` if
 *                 the kernel refused it, or what it was struck with), path
 * IO_SHIM_CALL    the kind that is struck: open, read, pread, write, pwrite, pwritev, fsync,
 *                 fdatasync, rename, unlink, ftruncate, fallocate, mmap
 * IO_SHIM_NTH     which one of that kind, from 1
 * IO_SHIM_FAULT   EIO, ENOSPC: it fails, and nothing has happened
 *                 short: half of the bytes are written
 *                 kill-before, kill-after: SIGKILL, before or after it was done
 *                 hang: it never returns
 * IO_SHIM_NO_DIRECT  if set, no file is opened with O_DIRECT (EINVAL)
 *
 * System calls are made directly: no symbol has to be looked up, so the shim works from the first
 * instruction of the program on, in every thread.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#if __SIZEOF_POINTER__ != 8
#error "offsets are passed as one register"
#endif

enum kind {
  OPEN,
  READ,
  PREAD,
  WRITE,
  PWRITE,
  PWRITEV,
  FSYNC,
  FDATASYNC,
  RENAME,
  UNLINK,
  FTRUNCATE,
  FALLOCATE,
  MMAP,
  KINDS
};

static const char *const NAMES[KINDS] = {"open",      "read",      "pread",     "write",  "pwrite",
                                         "pwritev",   "fsync",     "fdatasync", "rename", "unlink",
                                         "ftruncate", "fallocate", "mmap"};

enum { PATH_BYTES = 4096, BLOCK_BYTES = 4096 };

static atomic_long counts[KINDS];

/* One call that the shim looks at: `number` is 0 for all others. */
struct call {
  enum kind kind;
  long number;
  const char *fault;
  char path[PATH_BYTES];
};

static int is_wanted(const char *path) {
  const char *wanted = getenv("IO_SHIM_PATH");
  return wanted != NULL && path != NULL && strstr(path, wanted) != NULL;
}

static void begin(struct call *call, enum kind kind, const char *path) {
  call->number = 0;
  call->fault = "";
  if (!is_wanted(path)) return;
  call->kind = kind;
  call->number = atomic_fetch_add(&counts[kind], 1) + 1;
  snprintf(call->path, sizeof call->path, "%s", path);
  const char *struck = getenv("IO_SHIM_CALL");
  const char *nth = getenv("IO_SHIM_NTH");
  const char *fault = getenv("IO_SHIM_FAULT");
  if (struck == NULL || nth == NULL || fault == NULL) return;
  if (strcmp(struck, NAMES[kind]) == 0 && atol(nth) == call->number) call->fault = fault;
}

static void begin_fd(struct call *call, enum kind kind, int fd) {
  char name[64];
  char path[PATH_BYTES];
  const int error = errno;
  snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
  const long length = syscall(SYS_readlinkat, AT_FDCWD, name, path, sizeof path - 1);
  path[length > 0 ? length : 0] = 0;
  errno = error;
  begin(call, kind, path);
}

static int strikes(const struct call *call, const char *fault) {
  return strcmp(call->fault, fault) == 0;
}

static void report(const struct call *call, const char *result) {
  const char *log = getenv("IO_SHIM_LOG");
  if (log == NULL) return;
  char line[PATH_BYTES + 128];
  const int length = snprintf(line, sizeof line, "%ld %s %s %s\n", call->number, NAMES[call->kind],
                              result, call->path);
  const int flags = O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC;
  const int fd = (int)syscall(SYS_openat, AT_FDCWD, log, flags, 0644);
  if (fd < 0) return;
  syscall(SYS_write, fd, line, (size_t)length);
  syscall(SYS_close, fd);
}

static void die(const struct call *call) {
  report(call, call->fault);
  syscall(SYS_kill, getpid(), SIGKILL);
  for (;;) pause();
}

static void hang(const struct call *call) {
  report(call, call->fault);
  for (;;) pause();
}

/* Before the call. Returns true if it fails instead: errno is set. */
static int fails(const struct call *call) {
  if (call->number == 0) return 0;
  if (strikes(call, "kill-before")) die(call);
  if (strikes(call, "hang")) hang(call);
  const int error = strikes(call, "EIO") ? EIO : strikes(call, "ENOSPC") ? ENOSPC : 0;
  if (error == 0) return 0;
  report(call, call->fault);
  errno = error;
  return 1;
}

/* Behind the call, which gave `result`. */
static long done(const struct call *call, long result) {
  if (call->number == 0) return result;
  const int error = errno;
  if (strikes(call, "kill-after")) die(call);
  report(call, result < 0 ? "failed" : strikes(call, "short") ? "short" : "ok");
  errno = error;
  return result;
}

/* How many bytes are written of those asked for: half, in whole blocks if there are several. */
static size_t bytes_of(const struct call *call, size_t count) {
  if (call->number == 0 || !strikes(call, "short") || count < 2) return count;
  const size_t half = count / 2;
  return half > BLOCK_BYTES ? half - half % BLOCK_BYTES : half;
}

static int open_at(int dir, const char *path, int flags, mode_t mode) {
  struct call call;
  begin(&call, OPEN, path);
  if (call.number > 0 && (flags & O_DIRECT) == O_DIRECT && getenv("IO_SHIM_NO_DIRECT") != NULL) {
    errno = EINVAL;
    return (int)done(&call, -1);
  }
  if (fails(&call)) return -1;
  return (int)done(&call, syscall(SYS_openat, dir, path, flags, mode));
}

static int has_mode(int flags) {
  return (flags & O_CREAT) != 0 || (flags & O_TMPFILE) == O_TMPFILE;
}

#define OPEN_FUNCTION(name)                                         \
  int name(const char *path, int flags, ...) {                      \
    va_list rest;                                                   \
    va_start(rest, flags);                                          \
    const mode_t mode = has_mode(flags) ? va_arg(rest, mode_t) : 0; \
    va_end(rest);                                                   \
    return open_at(AT_FDCWD, path, flags, mode);                    \
  }

#define OPENAT_FUNCTION(name)                                       \
  int name(int dir, const char *path, int flags, ...) {             \
    va_list rest;                                                   \
    va_start(rest, flags);                                          \
    const mode_t mode = has_mode(flags) ? va_arg(rest, mode_t) : 0; \
    va_end(rest);                                                   \
    return open_at(dir, path, flags, mode);                         \
  }

OPEN_FUNCTION(open)
OPEN_FUNCTION(open64)
OPENAT_FUNCTION(openat)
OPENAT_FUNCTION(openat64)

ssize_t read(int fd, void *bytes, size_t count) {
  struct call call;
  begin_fd(&call, READ, fd);
  if (fails(&call)) return -1;
  return done(&call, syscall(SYS_read, fd, bytes, count));
}

static ssize_t read_at(int fd, void *bytes, size_t count, off64_t position) {
  struct call call;
  begin_fd(&call, PREAD, fd);
  if (fails(&call)) return -1;
  return done(&call, syscall(SYS_pread64, fd, bytes, count, position));
}

ssize_t pread(int fd, void *bytes, size_t count, off_t position) {
  return read_at(fd, bytes, count, position);
}

ssize_t pread64(int fd, void *bytes, size_t count, off64_t position) {
  return read_at(fd, bytes, count, position);
}

ssize_t write(int fd, const void *bytes, size_t count) {
  struct call call;
  begin_fd(&call, WRITE, fd);
  if (fails(&call)) return -1;
  return done(&call, syscall(SYS_write, fd, bytes, bytes_of(&call, count)));
}

static ssize_t write_at(int fd, const void *bytes, size_t count, off64_t position) {
  struct call call;
  begin_fd(&call, PWRITE, fd);
  if (fails(&call)) return -1;
  return done(&call, syscall(SYS_pwrite64, fd, bytes, bytes_of(&call, count), position));
}

ssize_t pwrite(int fd, const void *bytes, size_t count, off_t position) {
  return write_at(fd, bytes, count, position);
}

ssize_t pwrite64(int fd, const void *bytes, size_t count, off64_t position) {
  return write_at(fd, bytes, count, position);
}

static ssize_t write_pieces(int fd, const struct iovec *pieces, int count, off64_t position) {
  struct call call;
  begin_fd(&call, PWRITEV, fd);
  if (fails(&call)) return -1;
  if (count > 0 && strikes(&call, "short")) {
    const size_t length = bytes_of(&call, pieces[0].iov_len);
    return done(&call, syscall(SYS_pwrite64, fd, pieces[0].iov_base, length, position));
  }
  return done(&call, syscall(SYS_pwritev, fd, pieces, (long)count, (long)position, 0L));
}

ssize_t pwritev(int fd, const struct iovec *pieces, int count, off_t position) {
  return write_pieces(fd, pieces, count, position);
}

ssize_t pwritev64(int fd, const struct iovec *pieces, int count, off64_t position) {
  return write_pieces(fd, pieces, count, position);
}

int fsync(int fd) {
  struct call call;
  begin_fd(&call, FSYNC, fd);
  return fails(&call) ? -1 : (int)done(&call, syscall(SYS_fsync, fd));
}

int fdatasync(int fd) {
  struct call call;
  begin_fd(&call, FDATASYNC, fd);
  return fails(&call) ? -1 : (int)done(&call, syscall(SYS_fdatasync, fd));
}

static int rename_at(int from_dir, const char *from, int to_dir, const char *to, unsigned flags) {
  struct call call;
  begin(&call, RENAME, to);
  if (fails(&call)) return -1;
  return (int)done(&call, syscall(SYS_renameat2, from_dir, from, to_dir, to, flags));
}

int rename(const char *from, const char *to) { return rename_at(AT_FDCWD, from, AT_FDCWD, to, 0); }

int renameat(int from_dir, const char *from, int to_dir, const char *to) {
  return rename_at(from_dir, from, to_dir, to, 0);
}

int renameat2(int from_dir, const char *from, int to_dir, const char *to, unsigned flags) {
  return rename_at(from_dir, from, to_dir, to, flags);
}

static int unlink_at(int dir, const char *path, int flags) {
  struct call call;
  begin(&call, UNLINK, path);
  return fails(&call) ? -1 : (int)done(&call, syscall(SYS_unlinkat, dir, path, flags));
}

int unlink(const char *path) { return unlink_at(AT_FDCWD, path, 0); }
int unlinkat(int dir, const char *path, int flags) { return unlink_at(dir, path, flags); }

static int truncate_to(int fd, off64_t length) {
  struct call call;
  begin_fd(&call, FTRUNCATE, fd);
  return fails(&call) ? -1 : (int)done(&call, syscall(SYS_ftruncate, fd, length));
}

int ftruncate(int fd, off_t length) { return truncate_to(fd, length); }
int ftruncate64(int fd, off64_t length) { return truncate_to(fd, length); }

static int allocate(int fd, int mode, off64_t offset, off64_t length) {
  struct call call;
  begin_fd(&call, FALLOCATE, fd);
  return fails(&call) ? -1 : (int)done(&call, syscall(SYS_fallocate, fd, mode, offset, length));
}

int fallocate(int fd, int mode, off_t offset, off_t length) {
  return allocate(fd, mode, offset, length);
}

int fallocate64(int fd, int mode, off64_t offset, off64_t length) {
  return allocate(fd, mode, offset, length);
}

int posix_fallocate(int fd, off_t offset, off_t length) {
  return allocate(fd, 0, offset, length) < 0 ? errno : 0;
}

int posix_fallocate64(int fd, off64_t offset, off64_t length) {
  return allocate(fd, 0, offset, length) < 0 ? errno : 0;
}

static void *map(void *at, size_t length, int protection, int flags, int fd, off64_t offset) {
  struct call call;
  call.number = 0;
  if (fd >= 0) begin_fd(&call, MMAP, fd);
  if (fd >= 0 && fails(&call)) return MAP_FAILED;
  const long result = syscall(SYS_mmap, at, length, protection, flags, fd, offset);
  return (void *)done(&call, result);
}

void *mmap(void *at, size_t length, int protection, int flags, int fd, off_t offset) {
  return map(at, length, protection, flags, fd, offset);
}

void *mmap64(void *at, size_t length, int protection, int flags, int fd, off64_t offset) {
  return map(at, length, protection, flags, fd, offset);
}
