// Durable writes and locks on a file of the test's own in the current directory or $TMPDIR.
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string>

#include "../src/clock.h"
#include "../src/direct_file.h"
#include "../src/file_lock.h"

using namespace helicorder;

namespace {

constexpr size_t kBlock = 4096;
constexpr size_t kMib = 1 << 20;

void Check(bool condition, const char* law) {
  if (condition) return;
  std::fprintf(stderr, "files: not true: %s\n", law);
  std::exit(1);
}

void WritesArriveWhole(const std::string& path, bool direct) {
  const int fd = OpenDurable(path.c_str(), true, direct);
  if (direct && (fd == -EINVAL || fd == -EOPNOTSUPP)) return;  // this file system cannot
  Check(fd >= 0, "a file is made");
  constexpr size_t kLength = 6 << 20;
  const AlignedMemory memory(kLength), back_memory(kLength);
  uint8_t *const bytes = memory.data(), *const back = back_memory.data();
  for (size_t i = 0; i < kLength; i++) bytes[i] = static_cast<uint8_t>(i * 131 >> 7);
  Check(WriteDurable(fd, bytes, kLength, kBlock, direct) == 0, "6 MiB are written");
  Check(pread(fd, back, kLength, kBlock) == static_cast<ssize_t>(kLength), "6 MiB are read");
  Check(std::memcmp(bytes, back, kLength) == 0, "what was written is read");
  close(fd);
}

void MisalignedIsRefused(const std::string& path) {
  const int fd = OpenDurable(path.c_str(), true, false);
  const AlignedMemory memory(2 * kBlock);
  const uint8_t* bytes = memory.data();
  Check(WriteDurable(fd, bytes + 1, kBlock, 0, true) == -EINVAL, "the address is a block's");
  Check(WriteDurable(fd, bytes, kBlock - 1, 0, true) == -EINVAL, "the length is whole blocks");
  Check(WriteDurable(fd, bytes, kBlock, 1, true) == -EINVAL, "the position is a block's");
  close(fd);
  Check(WriteDurable(-1, bytes, kBlock, 0, false) == -EBADF, "errors are passed on");
  Check(OpenDurable("/nowhere/file", true, false) == -ENOENT, "and so are those of open");
}

uintptr_t AddressOf(const AlignedMemory& memory) {
  return reinterpret_cast<uintptr_t>(memory.data());
}

// Was the kernel told to use huge pages ("hg") for the mapping that holds `address`?
bool IsAdvisedHuge(uintptr_t address) {
  std::ifstream maps("/proc/self/smaps");
  bool is_it = false;
  for (std::string line; std::getline(maps, line);) {
    unsigned long begin, end;
    if (std::sscanf(line.c_str(), "%lx-%lx", &begin, &end) == 2) {
      is_it = begin <= address && address < end;
    }
    if (is_it && line.rfind("VmFlags:", 0) == 0) return line.find(" hg") != std::string::npos;
  }
  return false;
}

void MemoryIsAligned() {
  for (const size_t length : {size_t{1}, kBlock, kMib - 1, kMib, 3 * kMib + 1}) {
    const AlignedMemory memory(length);
    const size_t alignment = length < kMib ? kBlock : 2 * kMib;
    Check(AddressOf(memory) % alignment == 0, "memory begins at a page, from a MiB on a huge one");
    for (size_t i = 0; i < length; i++) Check(memory.data()[i] == 0, "it is zeroed");
    std::memset(memory.data(), 1, length);
  }
  if (access("/sys/kernel/mm/transparent_hugepage", F_OK) != 0) return;
  const AlignedMemory small(kMib - 1), large(kMib);
  Check(IsAdvisedHuge(AddressOf(large)), "a MiB is to lie in huge pages");
  Check(!IsAdvisedHuge(AddressOf(small)), "less is not");
}

void FullDiskIsAnError() {
  const int fd = OpenDurable("/dev/full", false, false);
  if (fd < 0) return;  // no such device in some containers
  Check(WriteDurable(fd, "x", 1, 0, false) == -ENOSPC, "a full disk is ENOSPC");
  close(fd);
}

void LocksExclude(const std::string& path) {
  const int first = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  const int second = open(path.c_str(), O_RDWR | O_CLOEXEC);
  Check(LockFile(first, true) == 1, "a free file is locked");
  Check(LockFile(second, true) == 0, "another opening in the same process is excluded");
  const pid_t child = fork();
  if (child == 0) _exit(LockFile(open(path.c_str(), O_RDWR), false));
  int status = -1;
  waitpid(child, &status, 0);
  Check(WIFEXITED(status) && WEXITSTATUS(status) == 0, "another process is excluded");
  Check(UnlockFile(first) == 0, "a lock is released");
  Check(LockFile(second, false) == 1 && LockFile(first, false) == 1, "shared locks coexist");
  close(second);
  Check(LockFile(first, true) == 1, "closing a descriptor releases its lock only");
  close(first);
  Check(LockFile(-1, true) == -EBADF, "errors are passed on");
}

void ClocksAgree() {
  const ClockReading first = ReadClocks();
  const ClockReading second = ReadClocks();
  Check(second.monotonic_ns >= first.monotonic_ns, "time does not go back");
  Check(first.uncertainty_ns >= 0, "a bracket has a length");
  std::string id;
  Check(ReadBootId(&id) == 0 && id.size() == 36 && id[8] == '-', "the boot id is a UUID");
  KernelClock clock;
  Check(ReadKernelClock(&clock) == 0 && clock.max_error_us >= 0, "the kernel tells its error");
}

}  // namespace

int main() {
  const char* base = std::getenv("TMPDIR");
  std::string dir = std::string(base ? base : "/tmp") + "/helicorder-files-XXXXXX";
  Check(mkdtemp(dir.data()) != nullptr, "a directory is made");
  const std::string path = dir + "/file";
  WritesArriveWhole(path, false);
  WritesArriveWhole(path, true);
  MemoryIsAligned();
  MisalignedIsRefused(path);
  FullDiskIsAnError();
  LocksExclude(path);
  FileSystemInfo info;
  Check(ReadFileSystemInfo(dir.c_str(), &info) == 0 && info.free_bytes > 0, "free space is known");
  Check(ReadFileSystemInfo("/nowhere", &info) == -ENOENT, "and its errors are passed on");
  ClocksAgree();
  unlink(path.c_str());
  rmdir(dir.c_str());
  return 0;
}
