// The two implementations against each other, over memory of exactly the size they may touch.
#include "../src/crc32c.h"

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <random>

namespace {

void Check(bool condition, const char* law) {
  if (condition) return;
  std::fprintf(stderr, "crc32c: not true: %s\n", law);
  std::exit(1);
}

void AgreesWithTheTable(std::mt19937_64& random) {
  for (size_t length = 0; length < 40'000; length += 1 + length / 16) {
    const std::unique_ptr<uint8_t[]> bytes(new uint8_t[length]);
    for (size_t i = 0; i < length; i++) bytes[i] = static_cast<uint8_t>(random());
    const auto seed = static_cast<uint32_t>(random());
    Check(Crc32c(bytes.get(), length, seed) == Crc32cByTable(bytes.get(), length, seed),
          "instruction and table agree at every length");
    const size_t cut = length == 0 ? 0 : random() % length;
    const uint32_t front = Crc32c(bytes.get(), cut, seed);
    Check(Crc32c(bytes.get() + cut, length - cut, front) == Crc32c(bytes.get(), length, seed),
          "the CRC of two parts is that of the whole, at any address");
  }
}

}  // namespace

int main() {
  std::mt19937_64 random(20260730);
  Check(Crc32c("123456789", 9, 0) == 0xe3069283, "the check value");
  Check(Crc32cByTable("123456789", 9, 0) == 0xe3069283, "the check value, by table");
  Check(Crc32c(nullptr, 0, 5) == 5, "nothing changes nothing");
  AgreesWithTheTable(random);
  return 0;
}
