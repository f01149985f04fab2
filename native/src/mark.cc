#include "mark.h"

#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <climits>

namespace helicorder {

namespace {

// docs/format-log.md, Mark
constexpr size_t kDurableOffset = 64;
constexpr size_t kCheckOffset = 72;
constexpr size_t kWordOffset = 80;
constexpr size_t kStateOffset = 84;

}  // namespace

int Mark::Map(int fd, bool writable, std::shared_ptr<Mark>* out) {
  struct stat info;
  if (fstat(fd, &info) < 0) return -errno;
  if (info.st_size < static_cast<off_t>(kBytes)) return -EINVAL;
  void* page = mmap(nullptr, kBytes, PROT_READ | (writable ? PROT_WRITE : 0), MAP_SHARED, fd, 0);
  if (page == MAP_FAILED) return -errno;
  out->reset(new Mark(static_cast<uint8_t*>(page), writable));
  return 0;
}

Mark::~Mark() { munmap(page_, kBytes); }

void Mark::Publish(uint64_t durable, uint64_t check) {
  __atomic_store_n(At<uint64_t>(kDurableOffset), durable, __ATOMIC_RELEASE);
  __atomic_store_n(At<uint64_t>(kCheckOffset), check, __ATOMIC_RELEASE);
  __atomic_fetch_add(At<uint32_t>(kWordOffset), 1, __ATOMIC_RELEASE);
  WakeAll();
}

void Mark::SetState(uint32_t state) {
  // said again after each commit: whoever waits was woken by that
  if (__atomic_exchange_n(At<uint32_t>(kStateOffset), state, __ATOMIC_RELEASE) == state) return;
  __atomic_fetch_add(At<uint32_t>(kWordOffset), 1, __ATOMIC_RELEASE);
  WakeAll();
}

MarkValues Mark::Read() const {
  // The word first: whoever then waits for it to change cannot sleep through a later publication.
  const uint32_t word = __atomic_load_n(At<uint32_t>(kWordOffset), __ATOMIC_ACQUIRE);
  const uint64_t check = __atomic_load_n(At<uint64_t>(kCheckOffset), __ATOMIC_ACQUIRE);
  const uint64_t durable = __atomic_load_n(At<uint64_t>(kDurableOffset), __ATOMIC_ACQUIRE);
  return {durable, check, word, __atomic_load_n(At<uint32_t>(kStateOffset), __ATOMIC_ACQUIRE)};
}

// Not FUTEX_PRIVATE_FLAG: waiters are in other processes.
void Mark::Wait(uint32_t seen, int timeout_ms) const {
  const timespec timeout{timeout_ms / 1000, timeout_ms % 1000 * INT64_C(1'000'000)};
  syscall(SYS_futex, At<uint32_t>(kWordOffset), FUTEX_WAIT, seen, &timeout, nullptr, 0);
}

void Mark::WakeAll() const {
  syscall(SYS_futex, At<uint32_t>(kWordOffset), FUTEX_WAKE, INT_MAX, nullptr, nullptr, 0);
}

}  // namespace helicorder
