// Waits on one mark for any number of callers, with one thread of its own, which exists from the
// first wait to the end of the waiter. A thread for each mark, not one for each wait: a follower
// waits all the time. Not one for all marks: a futex waits on one word.
#pragma once

#include <pthread.h>

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "mark.h"

namespace helicorder {

class MarkWaiter {
 public:
  // `notify` is called by the waiter's thread whenever TakeDone has something to give, without any
  // lock held.
  MarkWaiter(std::shared_ptr<Mark> mark, std::function<void()> notify)
      : mark_(std::move(mark)), notify_(std::move(notify)) {}
  ~MarkWaiter() { Stop(); }
  MarkWaiter(const MarkWaiter&) = delete;
  MarkWaiter& operator=(const MarkWaiter&) = delete;

  // A wait until the futex word is not `seen`, `timeout_ms` at most. `id` is the caller's. Returns
  // 0, or -errno if there can be no thread.
  int Add(uint64_t id, uint32_t seen, int timeout_ms);

  // The ids of the waits that have ended since the last call.
  std::vector<uint64_t> TakeDone();

  // Ends the thread, at once; waits that have not ended never will. Idempotent, never called by
  // the waiter's own thread.
  void Stop();

 private:
  struct Pending {
    uint64_t id;
    uint32_t seen;
    int64_t deadline_ms;
  };

  static void* Main(void* self);
  void Run();
  // Moves the waits that have ended to done_. Returns how many ms the others have left, at least.
  int64_t EndDue(uint32_t word);

  const std::shared_ptr<Mark> mark_;
  const std::function<void()> notify_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Pending> pending_;
  std::vector<uint64_t> done_;
  bool running_ = false;
  bool stopping_ = false;
  std::atomic<bool> ended_{false};
  pthread_t thread_{};
};

}  // namespace helicorder
