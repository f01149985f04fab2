#include "direct_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/statfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "thread.h"

namespace helicorder {

namespace {

constexpr size_t kBlockBytes = 4096;
// Of x86-64, and of ARM with pages of 4 KiB; where they are of another size it does no harm.
constexpr size_t kHugePageBytes = 2 << 20;
// One system call is bounded, because terminating a worker waits for it.
constexpr size_t kWriteMaxBytes = 4 << 20;
constexpr mode_t kFileMode = 0644;
constexpr size_t kStackBytes = 128 * 1024;

bool IsAligned(const void* bytes, size_t length, int64_t position) {
  const auto bits = reinterpret_cast<uintptr_t>(bytes) | length | static_cast<uintptr_t>(position);
  return bits % kBlockBytes == 0;
}

}  // namespace

AlignedMemory::AlignedMemory(size_t length) : data_(nullptr) {
  // below half a huge page more would be wasted than used
  const size_t page = length >= kHugePageBytes / 2 ? kHugePageBytes : kBlockBytes;
  mapped_ = (length + page - 1) / page * page;
  const size_t asked = mapped_ + page;
  void* mapping = mmap(nullptr, asked, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapping == MAP_FAILED) return;
  auto* const start = static_cast<uint8_t*>(mapping);
  const size_t before = -reinterpret_cast<uintptr_t>(start) % page;
  data_ = start + before;
  if (before > 0) munmap(start, before);
  munmap(data_ + mapped_, asked - before - mapped_);
  if (page == kHugePageBytes) madvise(data_, mapped_, MADV_HUGEPAGE);
}

AlignedMemory::~AlignedMemory() {
  if (data_ != nullptr) munmap(data_, mapped_);
}

int OpenDurable(const char* path, bool create, bool direct) {
  const int flags = O_RDWR | O_CLOEXEC | (create ? O_CREAT : 0) | (direct ? O_DIRECT | O_DSYNC : 0);
  int fd;
  do {
    fd = open(path, flags, kFileMode);
  } while (fd < 0 && errno == EINTR);
  return fd < 0 ? -errno : fd;
}

int WriteDurable(int fd, const void* bytes, size_t length, int64_t position, bool direct) {
  if (direct && !IsAligned(bytes, length, position)) return -EINVAL;
  const auto* from = static_cast<const uint8_t*>(bytes);
  while (length > 0) {
    const ssize_t result = pwrite(fd, from, std::min(length, kWriteMaxBytes), position);
    if (result < 0 && errno == EINTR) continue;
    if (result < 0) return -errno;
    // After a short direct write the next one must begin at a block again: the last, broken block
    // is written once more, with the same bytes.
    size_t written = static_cast<size_t>(result);
    if (direct) written -= written % kBlockBytes;
    // Without progress going on would never end; the disk is full to the last block.
    if (written == 0) return -ENOSPC;
    from += written;
    length -= written;
    position += static_cast<int64_t>(written);
  }
  if (direct) return 0;
  return fdatasync(fd) < 0 ? -errno : 0;
}

int WriteInBackground::Start(int fd, const void* bytes, size_t length, int64_t position,
                             bool direct) {
  fd_ = fd;
  bytes_ = bytes;
  length_ = length;
  position_ = position;
  direct_ = direct;
  done_.store(false, std::memory_order_relaxed);
  return StartThread(&thread_, kStackBytes, Main, this);
}

int WriteInBackground::Finish() {
  pthread_join(thread_, nullptr);
  return result_;
}

void* WriteInBackground::Main(void* self) {
  pthread_setname_np(pthread_self(), "heli-write");
  auto* write = static_cast<WriteInBackground*>(self);
  write->result_ =
      WriteDurable(write->fd_, write->bytes_, write->length_, write->position_, write->direct_);
  write->done_.store(true, std::memory_order_release);
  return nullptr;
}

int DropCache(int fd) { return -posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED); }

int ReadFileSystemInfo(const char* path, FileSystemInfo* out) {
  struct statfs info;
  while (statfs(path, &info) < 0) {
    if (errno != EINTR) return -errno;
  }
  // f_bavail counts fragments; file systems without them leave their size 0
  const auto unit = static_cast<uint64_t>(info.f_frsize != 0 ? info.f_frsize : info.f_bsize);
  *out = {static_cast<int64_t>(info.f_type), static_cast<uint64_t>(info.f_bavail) * unit};
  return 0;
}

}  // namespace helicorder
