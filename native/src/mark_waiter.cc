#include "mark_waiter.h"

#include <time.h>

#include <algorithm>

#include "clock.h"
#include "thread.h"

namespace helicorder {

namespace {

constexpr size_t kStackBytes = 128 * 1024;
// A sleep may begin just after a wake-up that was meant for it: it lasts no longer than this.
constexpr int64_t kSleepMaxMs = 100;

int64_t NowMs() { return NowNanos(CLOCK_MONOTONIC) / 1'000'000; }

}  // namespace

int MarkWaiter::Add(uint64_t id, uint32_t seen, int timeout_ms) {
  const std::lock_guard lock(mutex_);
  if (!running_) {
    const int error = StartThread(&thread_, kStackBytes, Main, this);
    if (error < 0) return error;
    running_ = true;
  }
  const bool is_asleep = !pending_.empty();
  pending_.push_back({id, seen, NowMs() + timeout_ms});
  changed_.notify_one();
  if (is_asleep) mark_->WakeAll();  // its time may be shorter than that of the others
  return 0;
}

std::vector<uint64_t> MarkWaiter::TakeDone() {
  const std::lock_guard lock(mutex_);
  return std::exchange(done_, {});
}

void MarkWaiter::Stop() {
  {
    const std::lock_guard lock(mutex_);
    if (!running_) return;
    stopping_ = true;
    changed_.notify_one();
  }
  // It may be on its way into the kernel, where one wake-up would miss it.
  while (!ended_.load(std::memory_order_acquire)) {
    mark_->WakeAll();
    const timespec pause{0, 50'000};
    nanosleep(&pause, nullptr);
  }
  pthread_join(thread_, nullptr);
  running_ = false;
}

void* MarkWaiter::Main(void* self) {
  pthread_setname_np(pthread_self(), "heli-mark");
  auto* waiter = static_cast<MarkWaiter*>(self);
  waiter->Run();
  waiter->ended_.store(true, std::memory_order_release);
  return nullptr;
}

void MarkWaiter::Run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return stopping_ || !pending_.empty(); });
    if (stopping_) return;
    const uint32_t word = mark_->Read().word;
    const size_t waiting = pending_.size();
    const int64_t left_ms = EndDue(word);
    const bool has_ended = pending_.size() < waiting;
    lock.unlock();
    if (has_ended) {
      notify_();
    } else {
      mark_->Wait(word, static_cast<int>(std::min(left_ms, kSleepMaxMs)));
    }
    lock.lock();
  }
}

int64_t MarkWaiter::EndDue(uint32_t word) {
  const int64_t now_ms = NowMs();
  int64_t left_ms = kSleepMaxMs;
  std::erase_if(pending_, [&](const Pending& wait) {
    const bool is_over = wait.seen != word || wait.deadline_ms <= now_ms;
    if (is_over) done_.push_back(wait.id);
    else left_ms = std::min(left_ms, wait.deadline_ms - now_ms);
    return is_over;
  });
  return left_ms;
}

}  // namespace helicorder
