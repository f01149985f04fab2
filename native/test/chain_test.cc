// The chain against an implementation that does it word by word, at every length and offset.
#include "chain.h"

#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "check.h"

using helicorder::ChainColumn;
using helicorder::ChainDigest;
using helicorder::ChainSamples;
using helicorder::ChainStretch;
using helicorder::ChainWords;

namespace {

uint64_t Mix(uint64_t x) {
  x = (x ^ (x >> 33)) * 0xff51afd7ed558ccd;
  x = (x ^ (x >> 33)) * 0xc4ceb9fe1a85ec53;
  return x ^ (x >> 33);
}

uint64_t HashOf(const std::vector<uint64_t>& words) {
  uint64_t hash = 0;
  for (size_t j = 0; j < words.size(); j++) {
    hash += Mix(words[j] ^ Mix((j + 1) * 0x9e3779b97f4a7c15));
  }
  return hash;
}

uint64_t Bits(double value) {
  uint64_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  return bits;
}

int64_t FloorTo(int64_t value, int64_t unit) {
  const int64_t rest = value % unit;
  return value - (rest < 0 ? rest + unit : rest);
}

void SamplesAreHashedAsSpecified(size_t count, int64_t resolution) {
  ChainStretch stretch = {77, 5, 6, 1000, -123'456'789, 1'000'000, resolution};
  std::vector<int64_t> residuals(count), words(count);
  std::vector<double> integers(count), doubles(count);
  for (size_t i = 0; i < count; i++) {
    residuals[i] = static_cast<int64_t>(i * 7919 % 1000) - 300;
    words[i] = -static_cast<int64_t>(i) * 1'000'000'000'000;
    integers[i] = 4294967295.0 - static_cast<double>(i);
    doubles[i] = i % 5 == 0 ? std::numeric_limits<double>::quiet_NaN() : i / 3.0 - 2;
  }
  const ChainColumn columns[] = {{words.data(), ChainWords::kIs64Bit},
                                 {integers.data(), ChainWords::kIntegers},
                                 {doubles.data(), ChainWords::kDoubles}};
  uint64_t expected = 42;
  for (size_t i = 0; i < count; i++) {
    const int64_t lateness = residuals[i] * resolution;
    const int64_t due = stretch.due_utc_nanos + static_cast<int64_t>(i) * stretch.period_nanos;
    const uint64_t value = std::isnan(doubles[i]) ? 0x7ff8000000000000 : Bits(doubles[i]);
    expected = Mix(expected ^ HashOf({77, 5 + i, 6 + i, 1000 + i, static_cast<uint64_t>(lateness),
                                      static_cast<uint64_t>(FloorTo(due + lateness, resolution)),
                                      static_cast<uint64_t>(words[i]),
                                      static_cast<uint64_t>(integers[i]), value}));
  }
  CHECK(ChainSamples(42, stretch, residuals.data(), columns, 3, count) == expected);
}

void ForgedValuesAreHashedAllTheSame() {
  const ChainStretch stretch = {0, 0, 0, 0, std::numeric_limits<int64_t>::max(),
                                std::numeric_limits<int64_t>::max(),
                                std::numeric_limits<int64_t>::max()};
  const int64_t residuals[] = {std::numeric_limits<int64_t>::min(), -1, 1};
  const double values[] = {std::numeric_limits<double>::infinity(), -1e300, std::nan("")};
  const ChainColumn column = {values, ChainWords::kIntegers};
  CHECK(ChainSamples(0, stretch, residuals, &column, 1, 3) != 0);
}

void BytesAreDigestedAtAnyOffset() {
  uint8_t bytes[64];
  for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = static_cast<uint8_t>(i * 37 + 1);
  for (size_t from = 0; from < 9; from++) {
    for (size_t length = 0; length < 40; length++) {
      uint64_t expected = length;
      for (size_t at = 0; at < length; at += 8) {
        uint64_t word = 0;
        for (size_t i = at; i < length && i < at + 8; i++) {
          word |= static_cast<uint64_t>(bytes[from + i]) << (8 * (i - at));
        }
        expected = Mix(expected ^ word);
      }
      CHECK(ChainDigest(bytes + from, length) == expected);
    }
  }
}

}  // namespace

int main() {
  for (const size_t count : {0, 1, 2, 255, 256, 257, 1000}) {
    SamplesAreHashedAsSpecified(count, 1);
    SamplesAreHashedAsSpecified(count, 1000);
  }
  ForgedValuesAreHashedAllTheSame();
  BytesAreDigestedAtAnyOffset();
  return 0;
}
