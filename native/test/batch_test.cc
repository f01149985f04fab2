// The row encoder over memory of exactly the sizes it may touch. What it writes is held against
// the TypeScript encoder in test/contract/row-encoder.test.ts; here it must stay within bounds.
#include "../src/batch.h"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <random>

#include "../src/bits.h"

using helicorder::Cursor;
using helicorder::Drained;
using helicorder::EntryInfo;
using helicorder::kDataAt;
using helicorder::kHeadAt;
using helicorder::kRingMagic;
using helicorder::kRingVersion;
using helicorder::RingReader;
using helicorder::RowEncoder;
using helicorder::RowEncoderSpec;

namespace {

constexpr uint64_t kCapacity = 1 << 15;
constexpr uint32_t kRowBytes = 48;  // header, tick, time, validity, i64, i16
constexpr size_t kSources = 2;

void Check(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "batch: not true: %s\n", what);
  std::exit(1);
}

class Ring {
 public:
  Ring() : memory_(new uint64_t[(kDataAt + kCapacity) / 8]()) {
    Put<uint32_t>(0, kRingMagic);
    Put<uint32_t>(4, kRingVersion);
    Put<uint64_t>(8, kCapacity);
  }

  uint8_t* memory() { return reinterpret_cast<uint8_t*>(memory_.get()); }
  size_t bytes() const { return kDataAt + kCapacity; }
  uint64_t head() const { return head_; }

  void Row(uint64_t tick, uint64_t validity, uint64_t value) {
    const size_t at = Claim(kRowBytes, 1);
    Put<uint64_t>(at + 8, tick);
    Put<int64_t>(at + 16, static_cast<int64_t>(tick * 1000 + value % 900));
    Put<uint64_t>(at + 24, validity);
    Put<uint64_t>(at + 32, value);
    Put<uint16_t>(at + 40, static_cast<uint16_t>(value));
    Publish(kRowBytes);
  }

  void Gap(uint64_t tick, uint64_t ticks) {
    const size_t at = Claim(40, 2);
    Put<uint64_t>(at + 8, tick);
    Put<uint64_t>(at + 16, ticks);
    Put<uint32_t>(at + 24, 2);
    Put<uint64_t>(at + 32, 0);
    Publish(40);
  }

  template <typename T>
  void Put(size_t at, T value) {
    std::memcpy(memory() + at, &value, sizeof value);
  }

 private:
  size_t Claim(uint32_t length, uint16_t kind) {
    const auto left = static_cast<uint32_t>(kCapacity - head_ % kCapacity);
    if (left < length) {
      Header(left, 0);
      Publish(left);
    }
    return Header(length, kind);
  }

  size_t Header(uint32_t length, uint16_t kind) {
    const size_t at = kDataAt + head_ % kCapacity;
    Put<uint32_t>(at, length);
    Put<uint16_t>(at + 4, kind);
    Put<uint16_t>(at + 6, 0);
    return at;
  }

  void Publish(uint32_t length) {
    head_ += length;
    Put<uint64_t>(kHeadAt, head_);
  }

  std::unique_ptr<uint64_t[]> memory_;
  uint64_t head_ = 0;
};

RowEncoder EncoderOf(Ring& ring) {
  RingReader reader;
  Check(reader.Attach(ring.memory(), ring.bytes()), "the memory is a ring");
  RowEncoderSpec spec{kRowBytes, 24, 0, 1000, 1, {}};
  spec.sources = {{{helicorder::kI64, 32}}, {{helicorder::kI16, 40}, {helicorder::kU16, 40}}};
  return RowEncoder(reader, spec);
}

int Drain(RowEncoder& encoder, size_t max_rows, Cursor* cursors, Drained* drained) {
  const size_t bound = encoder.BoundBytes(max_rows);
  std::unique_ptr<uint8_t[]> out(new uint8_t[bound]);
  EntryInfo entries[1 + kSources];
  const int count = encoder.Encode(out.get(), max_rows, 77, cursors, entries, drained);
  Check(drained->bytes <= bound, "entries are within their bound");
  return count;
}

void EverythingIsAccountedFor(std::mt19937_64& random) {
  Ring ring;
  RowEncoder encoder = EncoderOf(ring);
  Cursor cursors[kSources] = {{1, 1, 0, 0}, {2, 1, 0, 0}};
  uint64_t tick = 0;
  uint64_t rows = 0;
  uint64_t drained_ticks = 0;
  for (int round = 0; round < 300; round++) {
    for (unsigned n = random() % 100; n > 0; n--) {
      if (random() % 8 == 0) {
        const uint64_t ticks = 1 + random() % 1000;
        ring.Gap(tick, ticks);
        tick += ticks;
      } else {
        const uint64_t validity = random() % 4 == 0 ? random() : ~0ull;
        ring.Row(tick++, validity, random() >> random() % 64);
        rows++;
      }
    }
    Drained drained;
    const size_t max_rows = 1 + random() % 60;
    while (Drain(encoder, max_rows, cursors, &drained) > 0) {
      Check(drained.first_tick == drained_ticks, "accounts join without a hole");
      drained_ticks += drained.ticks;
    }
  }
  Check(drained_ticks == tick, "every tick is accounted for");
  Check(cursors[0].ordinal <= rows, "samples are rows");
  Check(encoder.PeekTick() == -1, "the ring is empty");
}

void GarbageIsSurvived(std::mt19937_64& random) {
  for (int round = 0; round < 2000; round++) {
    Ring ring;
    for (uint64_t tick = 0; tick < 20; tick++) ring.Row(tick, ~0ull, random());
    for (unsigned changes = 1 + random() % 4; changes > 0; changes--) {
      const size_t at = kDataAt + random() % (ring.head() + 64);
      ring.memory()[at] = static_cast<uint8_t>(random());
    }
    RowEncoder encoder = EncoderOf(ring);
    Cursor cursors[kSources] = {};
    Drained drained;
    encoder.PeekTick();
    const int count = Drain(encoder, 100, cursors, &drained);
    Check(count >= 0 || count == -EBADMSG || count == -EPROTO, "garbage is refused or drained");
  }
}

}  // namespace

int main() {
  std::mt19937_64 random(20260729);
  EverythingIsAccountedFor(random);
  GarbageIsSurvived(random);
  return 0;
}
