#include "read_ahead.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>

#include "thread.h"

namespace helicorder {

namespace {

constexpr int64_t kBlockBytes = 4096;
constexpr int64_t kPieceBytes = 1 << 20;
constexpr int64_t kPieces = 3;
constexpr size_t kStackBytes = 128 * 1024;

// The same file, whatever its name is by now.
int OpenAgain(int fd) {
  const std::string path = "/proc/self/fd/" + std::to_string(fd);
  const int again = open(path.c_str(), O_RDONLY | O_DIRECT | O_CLOEXEC);
  return again < 0 ? -errno : again;
}

}  // namespace

int ReadAhead::Start(int fd, int64_t position, int64_t end) {
  if (position % kBlockBytes != 0) return -EINVAL;
  memory_ = std::make_unique<AlignedMemory>(kPieces * kPieceBytes);
  if (memory_->data() == nullptr) return -ENOMEM;
  fd_ = OpenAgain(fd);
  if (fd_ < 0) return fd_;
  start_ = position;
  end_ = end;
  const int error = StartThread(&thread_, kStackBytes, Main, this);
  is_running_ = error == 0;
  return error;
}

size_t ReadAhead::Read(uint8_t* into, size_t length, int64_t position) {
  if (!is_running_) return 0;
  if (position != start_ + taken_) {
    Stop();
    return 0;
  }
  size_t done = 0;
  while (done < length) {
    const int64_t at = taken_ % (kPieces * kPieceBytes);
    const int64_t in_piece = kPieceBytes - taken_ % kPieceBytes;
    const auto count = static_cast<size_t>(
        std::min({static_cast<int64_t>(length - done), in_piece, WaitForMore()}));
    if (count == 0) {
      Stop();
      break;
    }
    std::memcpy(into + done, memory_->data() + at, count);
    Take(static_cast<int64_t>(count));
    done += count;
  }
  // who has come to the end may stay there for long
  if (taken_ == end_ - start_) Stop();
  return done;
}

int64_t ReadAhead::WaitForMore() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return come_ > taken_ || is_over_; });
  return come_ - taken_;
}

void ReadAhead::Take(int64_t count) {
  const std::lock_guard lock(mutex_);
  taken_ += count;
  if (taken_ % kPieceBytes == 0) changed_.notify_all();
}

void* ReadAhead::Main(void* self) {
  pthread_setname_np(pthread_self(), "heli-ahead");
  static_cast<ReadAhead*>(self)->ReadOn();
  return nullptr;
}

void ReadAhead::ReadOn() {
  bool goes_on = true;
  for (int64_t piece = 0; goes_on; piece += kPieceBytes) {
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [=, this] {
        return piece + kPieceBytes - taken_ <= kPieces * kPieceBytes || is_over_;
      });
      if (is_over_) return;
    }
    const int64_t length = std::min(kPieceBytes, end_ - start_ - piece);
    const int64_t count = length > 0 ? ReadPiece(piece, length) : 0;
    goes_on = count == kPieceBytes;
    const std::lock_guard lock(mutex_);
    come_ = piece + count;
    is_over_ = is_over_ || !goes_on;
    changed_.notify_all();
  }
}

int64_t ReadAhead::ReadPiece(int64_t piece, int64_t length) {
  uint8_t* const into = memory_->data() + piece % (kPieces * kPieceBytes);
  const int64_t blocks = (length + kBlockBytes - 1) / kBlockBytes * kBlockBytes;
  ssize_t count;
  do {
    count = pread(fd_, into, static_cast<size_t>(blocks), start_ + piece);
  } while (count < 0 && errno == EINTR);
  return std::clamp<int64_t>(count, 0, length);
}

void ReadAhead::Stop() {
  if (is_running_) {
    {
      const std::lock_guard lock(mutex_);
      is_over_ = true;
    }
    changed_.notify_all();
    pthread_join(thread_, nullptr);
  }
  is_running_ = false;
  if (fd_ >= 0) close(fd_);
  fd_ = -1;
  memory_.reset();
}

}  // namespace helicorder
