// One owner and several readers of a mark, each with a mapping of its own, as in several processes.
#include "../src/mark.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <thread>
#include <vector>

using helicorder::Mark;
using helicorder::MarkValues;

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
}

void CancelEndsAWait(int fd) {
  const std::shared_ptr<Mark> mark = Map(fd, false);
  std::thread waiter([mark] { mark->Wait(mark->Read().word, 1'000'000); });
  mark->Cancel();
  waiter.join();
}

}  // namespace

int main() {
  const int fd = memfd_create("mark", MFD_CLOEXEC);
  std::shared_ptr<Mark> none;
  Check(Mark::Map(fd, false, &none) == -EINVAL, "a short file is refused");
  Check(ftruncate(fd, Mark::kBytes) == 0, "the page is made");
  Check(Mark::Map(-1, false, &none) == -EBADF && !none, "errors are passed on");
  ReadersFollow(fd);
  CancelEndsAWait(fd);
  close(fd);
  return 0;
}
