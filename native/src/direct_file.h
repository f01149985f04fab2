// Writes that are durable when they return, and what has to be known about a file system for them.
#pragma once

#include <pthread.h>

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace helicorder {

// Memory for direct files, zeroed, at an address that is a multiple of 4096. What is written by the
// MiB lies in huge pages where the kernel has some: a device takes a limited number of places in
// memory with a request (virtio 254), and a MiB of pages of 4 KiB are 256. Of huge pages that are
// only read, all zeros, the kernel keeps one for all.
class AlignedMemory {
 public:
  explicit AlignedMemory(size_t length);
  ~AlignedMemory();
  AlignedMemory(const AlignedMemory&) = delete;
  AlignedMemory& operator=(const AlignedMemory&) = delete;

  // Null if there is no memory.
  uint8_t* data() const { return data_; }

 private:
  uint8_t* data_;
  size_t mapped_;
};

// Opens `path` for reading and durable writing, and makes it if `create`. With `direct` writes
// bypass the page cache (O_DIRECT) and return when the device has them (O_DSYNC). Returns a file
// descriptor or -errno; EINVAL says that the file system has no O_DIRECT.
int OpenDurable(const char* path, bool create, bool direct);

// Writes all of `bytes` at `position`, and returns 0 when they are durable, else -errno. With
// `direct`, address, length and position are multiples of 4096, otherwise -EINVAL. A failed sync is
// never tried again: the kernel may have dropped the pages that it could not write.
int WriteDurable(int fd, const void* bytes, size_t length, int64_t position, bool direct);

// A write that goes on in a thread of its own.
class WriteInBackground {
 public:
  // Starts WriteDurable. `bytes` stay as they are until Finish. Returns 0 or -errno.
  int Start(int fd, const void* bytes, size_t length, int64_t position, bool direct);
  // Any thread: what Finish would wait for is over.
  bool IsDone() const { return done_.load(std::memory_order_acquire); }
  // Waits for its end and returns what WriteDurable did. Called once after each Start that
  // returned 0.
  int Finish();

 private:
  static void* Main(void* self);

  pthread_t thread_;
  int fd_;
  const void* bytes_;
  size_t length_;
  int64_t position_;
  bool direct_;
  int result_;
  std::atomic<bool> done_{false};
};

// What the page cache holds of the file, and has been written, is read from the device again. After
// a failed sync pages may be there that the device never got (the kernel counts them as clean).
// Returns 0 or -errno.
int DropCache(int fd);

struct FileSystemInfo {
  int64_t type;         // statfs's f_type
  uint64_t free_bytes;  // what an unprivileged user may still write
};

// Returns 0 or -errno.
int ReadFileSystemInfo(const char* path, FileSystemInfo* out);

}  // namespace helicorder
