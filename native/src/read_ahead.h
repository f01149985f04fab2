// Reading a file in order, ahead of who asks for it and past the page cache: a thread reads on
// while what it brought last is decoded. Asynchronous requests of the one thread (Linux AIO) were
// slower than none: handing a MiB to the kernel held it up for half a millisecond.
#pragma once

#include <pthread.h>

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>

#include "direct_file.h"

namespace helicorder {

// It only ever has less to give than was asked for: who reads the rest as usual learns of errors.
// Of one thread, beside its own.
class ReadAhead {
 public:
  ReadAhead() = default;
  ReadAhead(const ReadAhead&) = delete;
  ReadAhead& operator=(const ReadAhead&) = delete;
  // Waits for the read that is under way.
  ~ReadAhead() { Stop(); }

  // Once. Begins to read [position, end) of the file that `fd` is open for reading; `position` is a
  // multiple of 4096. Of what is written there meanwhile any part may be seen or not. Returns 0 or
  // -errno: there is no O_DIRECT here, or no thread.
  int Start(int fd, int64_t position, int64_t end);

  // Copies bytes from `position` on, which is where the last call ended (else it stops). Returns
  // how many: fewer than `length` at the end or behind an error, and 0 ever after.
  size_t Read(uint8_t* into, size_t length, int64_t position);

 private:
  static void* Main(void* self);
  void ReadOn();
  // Both count from start_. Returns how many bytes came.
  int64_t ReadPiece(int64_t piece, int64_t length);
  // Returns how many bytes are there that have not been taken; 0 at the end.
  int64_t WaitForMore();
  void Take(int64_t count);
  void Stop();

  // pieces in a ring: what counts from start_ lies at its place modulo the ring's size
  std::unique_ptr<AlignedMemory> memory_;
  int fd_ = -1;
  int64_t start_ = 0;
  int64_t end_ = 0;
  pthread_t thread_;
  bool is_running_ = false;

  std::mutex mutex_;
  std::condition_variable changed_;
  // under the mutex, counted from start_
  int64_t come_ = 0;      // everything before it has been read
  int64_t taken_ = 0;     // everything before it has been given
  bool is_over_ = false;  // nothing more will come
};

}  // namespace helicorder
