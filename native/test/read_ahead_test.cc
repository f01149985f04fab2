// Reading ahead of a file of the test's own in the current directory or $TMPDIR.
#include "../src/read_ahead.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "check.h"

using helicorder::ReadAhead;

namespace {

constexpr size_t kBlock = 4096;
constexpr size_t kMib = 1 << 20;

struct File {
  explicit File(size_t bytes) : content(bytes) {
    const char* base = std::getenv("TMPDIR");
    path = std::string(base ? base : "/tmp") + "/helicorder-ahead-XXXXXX";
    fd = mkstemp(path.data());
    CHECK(fd >= 0);
    std::mt19937 random(static_cast<unsigned>(bytes));
    for (auto& byte : content) byte = static_cast<uint8_t>(random());
    CHECK(write(fd, content.data(), bytes) == static_cast<ssize_t>(bytes));
    CHECK(fsync(fd) == 0);
    unlink(path.c_str());  // what is read is the file, whatever its name is by now
  }
  ~File() { close(fd); }
  std::vector<uint8_t> content;
  std::string path;
  int fd;
};

bool CanReadAhead() {
  const File file(kBlock);
  ReadAhead ahead;
  return ahead.Start(file.fd, 0, kBlock) == 0;
}

// In calls of any length, from any block on, up to an end before or behind that of the file.
void GivesWhatIsThere(std::mt19937& random) {
  for (const size_t bytes : {kBlock, kMib - 1, kMib, 3 * kMib + 5, 9 * kMib + 777}) {
    const File file(bytes);
    const size_t from = random() % (bytes / kBlock) * kBlock;
    const size_t end = random() % 2 ? bytes + random() % kMib : from + random() % (bytes - from);
    ReadAhead ahead;
    CHECK(ahead.Start(file.fd, static_cast<int64_t>(from), static_cast<int64_t>(end)) == 0);
    std::vector<uint8_t> into(2 * kMib);
    size_t at = from;
    for (size_t count = 1; count > 0; at += count) {
      const size_t length = 1 + random() % into.size();
      count = ahead.Read(into.data(), length, static_cast<int64_t>(at));
      CHECK(count <= length && at + count <= std::min(end, bytes));
      CHECK(std::memcmp(into.data(), file.content.data() + at, count) == 0);
    }
    CHECK(at == std::min(end, bytes));
  }
}

// There is nothing behind a jump: not even where the file goes on.
void AJumpEndsIt() {
  const File file(8 * kMib);
  ReadAhead ahead;
  uint8_t into[100];
  CHECK(ahead.Start(file.fd, 0, 8 * kMib) == 0);
  CHECK(ahead.Read(into, 100, 0) == 100);
  CHECK(ahead.Read(into, 100, 200) == 0);
  CHECK(ahead.Read(into, 100, 100) == 0);
}

// At any time, also with pieces that nobody has taken.
void EndsWithItsObject() {
  const File file(8 * kMib);
  for (int i = 0; i < 50; i++) {
    ReadAhead ahead;
    CHECK(ahead.Start(file.fd, 0, 8 * kMib) == 0);
    uint8_t into[10];
    if (i % 2) CHECK(ahead.Read(into, 10, 0) == 10);
  }
}

void WhatCannotBeIsNothing() {
  const File file(kMib);
  uint8_t into[10];
  ReadAhead unaligned, closed, fresh;
  CHECK(unaligned.Start(file.fd, 100, kMib) == -EINVAL);
  CHECK(unaligned.Read(into, 10, 100) == 0);
  CHECK(closed.Start(9999, 0, kMib) < 0);
  CHECK(closed.Read(into, 10, 0) == 0);
  CHECK(fresh.Read(into, 10, 0) == 0);
}

}  // namespace

int main() {
  std::mt19937 random(20261128);
  WhatCannotBeIsNothing();
  if (!CanReadAhead()) {
    std::puts("read_ahead: no O_DIRECT in the directory for temporary files, nothing tried");
    return 0;
  }
  for (int i = 0; i < 10; i++) GivesWhatIsThere(random);
  AJumpEndsIt();
  EndsWithItsObject();
  return 0;
}
