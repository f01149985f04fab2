// The mark (docs/format-log.md, Mark): one page, shared by all processes that map it, in which the
// owner of a store publishes how far its log is durable and on which readers wait.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

namespace helicorder {

struct MarkValues {
  uint64_t durable;
  uint64_t check;
  uint32_t word;
  uint32_t state;
};

// One mapping of a mark. Publishing is for one thread of one process; reading, waiting and waking
// are for any. Whoever waits holds a shared_ptr, so the page stays mapped under it.
class Mark {
 public:
  static constexpr size_t kBytes = 4096;

  // Maps the first page of `fd`, which may be closed afterwards. Returns 0 or -errno; a file that
  // is shorter than the page is -EINVAL, because touching its map would be SIGBUS.
  static int Map(int fd, bool writable, std::shared_ptr<Mark>* out);
  ~Mark();
  Mark(const Mark&) = delete;
  Mark& operator=(const Mark&) = delete;

  bool writable() const { return writable_; }

  // Stores `durable`, then its check, raises the futex word and wakes every waiter. A reader may
  // see one without the other; the check tells it so.
  void Publish(uint64_t durable, uint64_t check);
  void SetState(uint32_t state);
  MarkValues Read() const;

  // One sleep: returns when the futex word is not `seen`, after `timeout_ms`, or for no reason.
  void Wait(uint32_t seen, int timeout_ms) const;

  // Wakes all who wait, in every process, without saying anything new. A reader can: its page is
  // read-only to it, but waking writes nothing.
  void WakeAll() const;

 private:
  Mark(uint8_t* page, bool writable) : page_(page), writable_(writable) {}

  template <typename Word>
  Word* At(size_t offset) const {
    return reinterpret_cast<Word*>(page_ + offset);
  }

  uint8_t* const page_;
  const bool writable_;
};

}  // namespace helicorder
