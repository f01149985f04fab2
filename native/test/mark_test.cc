// One owner and several readers of a mark, each with a mapping of its own, as in several processes.
#include "../src/mark.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <thread>
#include <vector>

#include "../src/mark_waiter.h"

using helicorder::Mark;
using helicorder::MarkValues;
using helicorder::MarkWaiter;

namespace {

constexpr int kReaders = 3;
constexpr uint64_t kPublications = 2000;

void Check(bool condition, const char* law) {
  if (condition) return;
  std::fprintf(stderr, "mark: not true: %s\n", law);
  std::exit(1);
}

std::shared_ptr<Mark> Map(int fd, bool writable) {
  std::shared_ptr<Mark> mark;
  Check(Mark::Map(fd, writable, &mark) == 0, "a page is mapped");
  return mark;
}

void ReadersFollow(int fd) {
  const std::shared_ptr<Mark> owner = Map(fd, true);
  std::vector<std::thread> readers;
  for (int i = 0; i < kReaders; i++) {
    readers.emplace_back([fd] {
      const std::shared_ptr<Mark> mark = Map(fd, false);
      uint64_t last = 0;
      while (last < kPublications) {
        const MarkValues seen = mark->Read();
        if (seen.check == ~seen.durable) {
          Check(seen.durable >= last, "what is durable never goes back");
          last = seen.durable;
        }
        if (last < kPublications) mark->Wait(seen.word, 1000);
      }
    });
  }
  for (uint64_t i = 1; i <= kPublications; i++) owner->Publish(i, ~i);
  for (std::thread& reader : readers) reader.join();
  owner->SetState(2);
  Check(Map(fd, false)->Read().state == 2, "a state is seen");
  const uint32_t word = owner->Read().word;
  owner->SetState(2);
  Check(owner->Read().word == word, "the same state again wakes nobody");
}

// Ids in the order in which they ended; `Next` waits for one.
class Ended {
 public:
  void Add(const std::vector<uint64_t>& ids) {
    const std::lock_guard lock(mutex_);
    ids_.insert(ids_.end(), ids.begin(), ids.end());
    more_.notify_all();
  }

  uint64_t Next() {
    std::unique_lock lock(mutex_);
    more_.wait(lock, [this] { return taken_ < ids_.size(); });
    return ids_[taken_++];
  }

 private:
  std::mutex mutex_;
  std::condition_variable more_;
  std::vector<uint64_t> ids_;
  size_t taken_ = 0;
};

void AWaiterServesAll(int fd) {
  const std::shared_ptr<Mark> owner = Map(fd, true);
  const std::shared_ptr<Mark> mark = Map(fd, false);
  Ended ended;
  MarkWaiter* self = nullptr;
  MarkWaiter waiter(mark, [&] { ended.Add(self->TakeDone()); });
  self = &waiter;
  uint32_t word = mark->Read().word;
  Check(waiter.Add(1, word, 1'000'000) == 0, "a wait begins");
  Check(waiter.Add(2, word, 1) == 0, "another begins beside it");
  Check(ended.Next() == 2, "the shorter one ends with its time");
  Check(waiter.Add(3, word - 1, 1'000'000) == 0, "a third has missed something");
  Check(ended.Next() == 3, "what was missed ends a wait at once");
  owner->Publish(1, ~UINT64_C(1));
  Check(ended.Next() == 1, "a publication ends a wait");
  for (uint64_t id = 4; id < 2000; id++) {
    word = mark->Read().word;
    waiter.Add(id, word, 1'000'000);
    owner->SetState(id % 2);
    Check(ended.Next() == id, "no change of state is slept through");
  }
}

// Whatever the thread is doing: not begun, asleep, on its way there.
void StopEndsAWaiter(int fd) {
  const std::shared_ptr<Mark> mark = Map(fd, false);
  for (int i = 0; i < 200; i++) {
    MarkWaiter waiter(mark, [] { Check(false, "nothing has ended"); });
    if (i > 0) waiter.Add(1, mark->Read().word, 1'000'000);
    for (volatile int spin = 0; spin < 100 * i;) spin = spin + 1;
    waiter.Stop();
    waiter.Stop();
  }
}

}  // namespace

int main() {
  const int fd = memfd_create("mark", MFD_CLOEXEC);
  std::shared_ptr<Mark> none;
  Check(Mark::Map(fd, false, &none) == -EINVAL, "a short file is refused");
  Check(ftruncate(fd, Mark::kBytes) == 0, "the page is made");
  Check(Mark::Map(-1, false, &none) == -EBADF && !none, "errors are passed on");
  ReadersFollow(fd);
  AWaiterServesAll(fd);
  StopEndsAWaiter(fd);
  close(fd);
  return 0;
}
