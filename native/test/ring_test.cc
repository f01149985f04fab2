// A consumer on another thread sees every tick exactly once, in order, as a row or in a gap.
#include "ring.h"

#include <array>
#include <thread>
#include <vector>

#include "check.h"

using namespace helicorder;

namespace {

constexpr size_t kRowBytes = 56;

std::vector<uint64_t> MakeRing(size_t capacity) {
  std::vector<uint64_t> memory((512 + capacity) / 8);
  auto* bytes = reinterpret_cast<uint8_t*>(memory.data());
  const uint32_t head[] = {kRingMagic, kRingVersion};
  std::memcpy(bytes, head, sizeof head);
  memory[1] = capacity;
  return memory;
}

// Ticks by the number of their reason.
using Ticks = std::array<uint64_t, 16>;

// Reads all that is published, adds what is missing to `missed`; returns the next tick expected.
uint64_t Drain(RingReader& reader, uint64_t expected, Ticks* missed = nullptr) {
  const uint64_t head = reader.Head();
  uint64_t at = reader.Tail();
  while (at < head) {
    uint32_t length;
    uint16_t kind;
    uint64_t words[2];
    std::memcpy(&length, reader.At(at), 4);
    std::memcpy(&kind, reader.At(at) + 4, 2);
    if (kind != kPadding) {
      std::memcpy(words, reader.At(at) + 8, sizeof words);
      CHECK(words[0] == expected);
      expected += kind == kRow ? 1 : words[1];
      if (kind == kGap && missed != nullptr) {
        uint32_t reason;
        std::memcpy(&reason, reader.At(at) + kGapReasonAt, 4);
        (*missed)[reason] += words[1];
      }
    }
    at += length;
  }
  reader.Release(at);
  return expected;
}

GapReason ReasonOf(uint64_t tick) {
  constexpr GapReason kReasons[] = {GapReason::kLate, GapReason::kOverflow, GapReason::kFull};
  return kReasons[tick % 3];
}

// Returns false if the tick was missed.
bool Produce(RingProducer& producer, uint64_t tick) {
  if (producer.Claim(tick, kRowBytes) == nullptr) {
    producer.Miss(tick, 1, ReasonOf(tick));
    return false;
  }
  producer.Commit();
  return true;
}

void EveryTickOnceAcrossThreads() {
  constexpr uint64_t kTicks = 200'000;
  auto memory = MakeRing(1024);
  auto* bytes = reinterpret_cast<uint8_t*>(memory.data());
  RingProducer producer;
  RingReader reader;
  CHECK(producer.Attach(bytes, memory.size() * 8) && reader.Attach(bytes, memory.size() * 8));
  std::atomic<bool> ended{false};
  std::thread thread([&] {
    for (uint64_t tick = 0; tick < kTicks; tick++) Produce(producer, tick);
    producer.Close();
    ended.store(true, std::memory_order_release);
  });
  uint64_t expected = 0;
  while (!ended.load(std::memory_order_acquire)) expected = Drain(reader, expected);
  thread.join();
  CHECK(Drain(reader, expected) == kTicks);
}

void ARingThatIsNeverDrainedAccountsForAllTicksAtClose() {
  auto memory = MakeRing(512);
  auto* bytes = reinterpret_cast<uint8_t*>(memory.data());
  RingProducer producer;
  RingReader reader;
  CHECK(producer.Attach(bytes, memory.size() * 8) && reader.Attach(bytes, memory.size() * 8));
  Ticks missed{};
  for (uint64_t tick = 0; tick < 100; tick++) {
    if (!Produce(producer, tick)) missed[static_cast<uint32_t>(ReasonOf(tick))]++;
  }
  producer.Close();
  Ticks found{};
  CHECK(Drain(reader, 0, &found) == 100);
  CHECK(found == missed);
}

}  // namespace

int main() {
  EveryTickOnceAcrossThreads();
  ARingThatIsNeverDrainedAccountsForAllTicksAtClose();
}
