// Decoders must survive any bytes: run under AddressSanitizer and UBSan, every buffer here is
// exactly as large as it may be used.
#include "../src/codecs.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <random>
#include <utility>
#include <vector>

#include "../src/column_table.h"
#include "../src/crc32c.h"
#include "../src/dense.h"
#include "../src/rans.h"

using helicorder::DecodeIntegers;
using helicorder::DecodeNumbers;
using helicorder::DenseBoundBytes;
using helicorder::EncodeDense;
using helicorder::EncodeIntegers;
using helicorder::IntegersBoundBytes;

namespace {

void Check(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "codecs: not true: %s\n", what);
  std::exit(1);
}

using Random = std::mt19937_64;

// Noise of some width, summed up 0 to 2 times, with outliers; every other one quiet by turns.
std::vector<int64_t> Signal(Random& random) {
  std::vector<uint64_t> values(random() % 1400);
  const unsigned bits = random() % 65;
  const unsigned outliers = random() % 30;
  const bool quiet = random() % 2;
  for (size_t i = 0; i < values.size(); i++) {
    auto& value = values[i];
    if (quiet && (i & 64)) continue;
    const unsigned width = random() % 1000 < outliers ? 64 : bits;
    value = width == 0 ? 0 : random() >> (64 - width);
  }
  for (unsigned order = random() % 3; order > 0; order--) {
    for (size_t i = 1; i < values.size(); i++) values[i] += values[i - 1];
  }
  return std::vector<int64_t>(values.begin(), values.end());
}

struct Column {
  uint8_t codec;
  std::vector<uint8_t> bytes;
};

Column Encoded(const std::vector<int64_t>& values, bool dense) {
  const size_t count = values.size();
  const size_t bound = dense ? DenseBoundBytes(count) : IntegersBoundBytes(count);
  std::unique_ptr<uint8_t[]> out(new uint8_t[bound]);
  const auto column = dense ? EncodeDense(values.data(), count, out.get())
                            : EncodeIntegers(values.data(), count, out.get());
  Check(column.bytes <= bound, "a column is within its bound");
  return {column.codec, std::vector<uint8_t>(out.get(), out.get() + column.bytes)};
}

int Decoded(uint8_t codec, const std::vector<uint8_t>& bytes, std::vector<int64_t>* values) {
  std::unique_ptr<uint8_t[]> exact(new uint8_t[bytes.size()]);
  if (!bytes.empty()) std::memcpy(exact.get(), bytes.data(), bytes.size());
  std::vector<double> numbers(values->size());
  const int as_numbers =
      DecodeNumbers(codec, exact.get(), bytes.size(), numbers.data(), numbers.size());
  const int result =
      DecodeIntegers(codec, exact.get(), bytes.size(), values->data(), values->size());
  Check(as_numbers == result, "what is a column of integers is one of numbers");
  for (size_t i = 0; result == 0 && i < numbers.size(); i++) {
    Check(numbers[i] == static_cast<double>((*values)[i]), "a number is its integer");
  }
  return result;
}

void ColumnsComeBack(Random& random) {
  for (int round = 0; round < 800; round++) {
    const auto values = Signal(random);
    const Column column = Encoded(values, round % 2);
    std::vector<int64_t> back(values.size());
    Check(Decoded(column.codec, column.bytes, &back) == 0, "an encoded column decodes");
    Check(back == values, "a column comes back as it was");
  }
}

// Every width of a block, and every count of what is left for the last one.
void EveryWidthComesBack(Random& random) {
  for (unsigned width = 0; width <= 64; width++) {
    for (size_t count = 1; count <= 2 * helicorder::kBlockValues; count += 1 + random() % 9) {
      std::vector<int64_t> values(count);
      for (auto& value : values) {
        value = width == 0 ? 7 : static_cast<int64_t>(random() >> (64 - width));
      }
      values[0] ^= 1;  // not a constant
      const Column column = Encoded(values, false);
      std::vector<int64_t> back(count);
      Check(Decoded(column.codec, column.bytes, &back) == 0, "a column of any width decodes");
      Check(back == values, "a column of any width comes back as it was");
    }
  }
}

// A column and room for its values, of exactly their sizes.
struct Place {
  Place(const Column& column, size_t count, bool as_doubles)
      : bytes(new uint8_t[column.bytes.size()]), values(new int64_t[count]), count(count) {
    if (!column.bytes.empty()) std::memcpy(bytes.get(), column.bytes.data(), column.bytes.size());
    dense = {column.codec, bytes.get(), column.bytes.size(), values.get(), count, as_doubles};
  }
  std::unique_ptr<uint8_t[]> bytes;
  std::unique_ptr<int64_t[]> values;
  size_t count;
  helicorder::DenseColumn dense;
};

// What several columns give side by side is what each gives by itself, damaged ones too.
void ColumnsComeBackTogether(Random& random) {
  for (int round = 0; round < 400; round++) {
    std::vector<Place> together, alone;
    bool all = true;
    for (size_t i = 0; i < 1 + random() % 5; i++) {
      const auto values = Signal(random);
      Column column = Encoded(values, true);
      if (random() % 8 == 0 && !column.bytes.empty()) {
        column.bytes[random() % column.bytes.size()] ^= 1 << random() % 8;
      }
      const bool as_doubles = random() % 2;
      together.emplace_back(column, values.size(), as_doubles);
      alone.emplace_back(column, values.size(), as_doubles);
      all &= helicorder::DecodeDense(&alone.back().dense, 1) == 0;
    }
    std::vector<helicorder::DenseColumn> columns;
    for (const Place& place : together) columns.push_back(place.dense);
    const bool came = helicorder::DecodeDense(columns.data(), columns.size()) == 0;
    Check(came == all, "columns are sound together if each is");
    for (size_t i = 0; came && i < together.size(); i++) {
      const bool same = std::memcmp(together[i].values.get(), alone[i].values.get(),
                                    together[i].count * sizeof(int64_t)) == 0;
      Check(same, "values are the same together and alone");
    }
  }
}

void ChangedColumnsAreSurvived(Random& random) {
  for (int round = 0; round < 8000; round++) {
    const auto values = Signal(random);
    Column column = Encoded(values, round % 2);
    if (column.bytes.empty()) continue;
    for (unsigned changes = 1 + random() % 3; changes > 0; changes--) {
      column.bytes[random() % column.bytes.size()] = static_cast<uint8_t>(random());
    }
    if (random() % 2) column.bytes.resize(random() % column.bytes.size());
    std::vector<int64_t> back(random() % 2 ? values.size() : random() % 500);
    Decoded(column.codec, column.bytes, &back);
  }
}

void RandomBytesAreSurvived(Random& random) {
  for (int round = 0; round < 20000; round++) {
    std::vector<uint8_t> bytes(random() % 200);
    for (auto& byte : bytes) byte = static_cast<uint8_t>(random());
    if (bytes.size() > 2 && random() % 2) bytes[0] &= 0xbf;  // a width that may be
    if (bytes.size() > 4 && random() % 2) {  // a base, one context, a table of one token
      const uint8_t head[] = {static_cast<uint8_t>(random() & 0x7f), 1, 0x80, 0x20};
      std::memcpy(bytes.data(), head, sizeof head);
    }
    std::vector<int64_t> values(random() % 400);
    const int result = Decoded(random() % 12, bytes, &values);
    Check(result <= 0, "a result is 0 or an error");
  }
}

// The most a value may need: every distance has 64 bits, no token is like the one before it.
void TheDenseBoundHolds(Random& random) {
  for (size_t count : {1u, 2u, 3u, 496u, 5000u}) {
    std::vector<int64_t> values(count);
    for (auto& value : values) value = static_cast<int64_t>(random());
    Encoded(values, true);
    for (size_t i = 0; i < count; i++) values[i] = static_cast<int64_t>(1ull << random() % 64);
    Encoded(values, true);
  }
}

// Around the ends of the quotients that an encoder can meet.
void ReciprocalsDivide(Random& random) {
  for (uint32_t frequency = 1; frequency <= helicorder::kScale; frequency++) {
    const helicorder::RansSymbol symbol(static_cast<uint16_t>(frequency), 0);
    const uint32_t quotients = 1u << (32 - helicorder::kScaleBits);
    for (unsigned i = 0; i < 64; i++) {
      const uint32_t quotient = i < 32 ? quotients - 1 - i : random() % quotients;
      const uint64_t first = uint64_t{quotient} * frequency;
      for (const uint64_t state : {first, first + frequency - 1}) {
        Check(symbol.Quotient(static_cast<uint32_t>(state)) == quotient, "a reciprocal divides");
      }
    }
  }
}

void BoundsOfNarrowTypesHold(Random& random) {
  for (unsigned bits = 8; bits <= 32; bits *= 2) {
    for (size_t count : {1u, 2u, 127u, 128u, 129u, 513u, 1300u}) {
      std::vector<int64_t> values(count);
      // the largest differences of differences that the type allows
      const int64_t most = int64_t{1} << (bits - 1);
      for (size_t i = 0; i < count; i++) values[i] = random() % 2 ? most - 1 : -most;
      const size_t bound = IntegersBoundBytes(count, bits);
      std::unique_ptr<uint8_t[]> out(new uint8_t[bound]);
      const size_t bytes = EncodeIntegers(values.data(), count, out.get()).bytes;
      if (bits > 16) continue;
      const std::vector<int32_t> narrow(values.begin(), values.end());
      std::unique_ptr<uint8_t[]> again(new uint8_t[bound]);
      Check(EncodeIntegers(narrow.data(), count, again.get()).bytes == bytes &&
                std::memcmp(again.get(), out.get(), bytes) == 0,
            "narrow columns have the same bytes");
    }
  }
}

// A table of two streams' columns, of one and of two channels; then with any number changed.
void TablesAreJoinedOrRefused(Random& random) {
  constexpr size_t kStride = 3 + 4;
  std::vector<uint32_t> rows;
  std::vector<uint8_t> memory;
  std::vector<int64_t> all;
  const auto put = [&](const std::vector<int64_t>& values) {
    std::vector<uint8_t> out(IntegersBoundBytes(values.size()));
    const auto column = EncodeIntegers(values.data(), values.size(), out.data());
    memory.insert(memory.end(), out.begin(), out.begin() + static_cast<long>(column.bytes));
    return static_cast<uint32_t>(column.codec) << 24 | static_cast<uint32_t>(column.bytes);
  };
  for (int flush = 0; flush < 20; flush++) {
    const auto values = Signal(random);
    const auto count = static_cast<uint32_t>(values.size());
    for (uint32_t channels = 1; channels <= 2; channels++) {
      rows.push_back(static_cast<uint32_t>(memory.size()));
      rows.push_back(count);
      for (uint32_t i = 0; i < channels; i++) rows.push_back(put(values));
    }
    all.insert(all.end(), values.begin(), values.end());
  }
  const auto joined = [&](size_t first, size_t channel, std::vector<int64_t>* into) {
    return helicorder::DecodeRows({rows.data(), rows.size(), first, kStride, channel,
                                   memory.data(), memory.size()},
                                  into->data(), into->size());
  };
  std::vector<int64_t> found(all.size());
  for (const auto& [first, channel] : {std::pair<size_t, size_t>{0, 0}, {3, 0}, {3, 1}}) {
    Check(joined(first, channel, &found) && found == all, "columns are joined from flush to flush");
  }
  std::vector<int64_t> fewer(all.size() - 1);
  Check(!joined(0, 0, &fewer), "more values than there should be are refused");
  for (int round = 0; round < 2000; round++) {
    const size_t at = random() % rows.size();
    const uint32_t before = rows[at];
    rows[at] = static_cast<uint32_t>(random()) >> random() % 32;
    joined(3, 1, &found);
    rows[at] = before;
  }
}

}  // namespace

int main() {
  Random random(20260729);
  Check(Crc32c("123456789", 9, 0) == 0xe3069283u, "CRC32C's test vector");
  Check(Crc32c("6789", 4, Crc32c("12345", 5, 0)) == 0xe3069283u, "CRC32C goes on from a seed");
  ColumnsComeBack(random);
  EveryWidthComesBack(random);
  ColumnsComeBackTogether(random);
  ChangedColumnsAreSurvived(random);
  RandomBytesAreSurvived(random);
  BoundsOfNarrowTypesHold(random);
  TheDenseBoundHolds(random);
  ReciprocalsDivide(random);
  TablesAreJoinedOrRefused(random);
  return 0;
}
