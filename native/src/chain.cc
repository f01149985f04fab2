// Word by word the records' hashes add up independently of each other, so the processor works on
// several at once; only the last step, one per record, waits for the one before it. Blocks of
// records go through column by column, so that their hashes stay in the first-level cache.
#include "chain.h"

#include <algorithm>
#include <cstring>

#include "bits.h"
#include "times.h"

namespace helicorder {
namespace {

constexpr size_t kBlock = 256;
constexpr uint64_t kGolden = 0x9e3779b97f4a7c15;
constexpr uint64_t kNan = 0x7ff8000000000000;
constexpr double kTwo63 = 9223372036854775808.0;

// The finalizer of MurmurHash3 (Appleby): a bijection in which each bit affects every other.
inline uint64_t Mix(uint64_t word) {
  word ^= word >> 33;
  word *= 0xff51afd7ed558ccd;
  word ^= word >> 33;
  word *= 0xc4ceb9fe1a85ec53;
  return word ^ word >> 33;
}

inline uint64_t Key(size_t index) { return Mix((index + 1) * kGolden); }

void AddWords(uint64_t* hashes, const uint8_t* values, size_t count, uint64_t key) {
  for (size_t i = 0; i < count; i++) hashes[i] += Mix(Load<uint64_t>(values + 8 * i) ^ key);
}

// A forged column may hold what no integer of 32 bits is; it must not be undefined what it gives.
void AddIntegers(uint64_t* hashes, const uint8_t* values, size_t count, uint64_t key) {
  for (size_t i = 0; i < count; i++) {
    const double value = Load<double>(values + 8 * i);
    const bool fits = value >= -kTwo63 && value < kTwo63;
    const auto word = fits ? static_cast<uint64_t>(static_cast<int64_t>(value)) : kNan;
    hashes[i] += Mix(word ^ key);
  }
}

void AddDoubles(uint64_t* hashes, const uint8_t* values, size_t count, uint64_t key) {
  for (size_t i = 0; i < count; i++) {
    const double value = Load<double>(values + 8 * i);
    const uint64_t word = value == value ? Load<uint64_t>(values + 8 * i) : kNan;
    hashes[i] += Mix(word ^ key);
  }
}

void AddColumn(uint64_t* hashes, const ChainColumn& column, size_t from, size_t count,
               uint64_t key) {
  const auto* const values = static_cast<const uint8_t*>(column.values) + 8 * from;
  switch (column.words) {
    case ChainWords::kIs64Bit:
      return AddWords(hashes, values, count, key);
    case ChainWords::kIntegers:
      return AddIntegers(hashes, values, count, key);
    case ChainWords::kDoubles:
      return AddDoubles(hashes, values, count, key);
  }
}

// What a sample has without its columns: head, seq, ordinal, tick, lateness, time.
void BeginSamples(uint64_t* hashes, const ChainStretch& stretch, const int64_t* residuals,
                  size_t from, size_t count) {
  const uint64_t head = Mix(stretch.head ^ Key(0));
  const uint64_t keys[] = {Key(1), Key(2), Key(3), Key(4), Key(5)};
  const auto resolution = static_cast<uint64_t>(stretch.resolution_nanos);
  uint64_t due = static_cast<uint64_t>(stretch.due_utc_nanos) +
                 from * static_cast<uint64_t>(stretch.period_nanos);
  for (size_t i = 0; i < count; i++) {
    const uint64_t record = from + i;
    const uint64_t lateness = static_cast<uint64_t>(residuals[from + i]) * resolution;
    uint64_t time = due + lateness;
    if (resolution > 1) time = FloorTo(time, stretch.resolution_nanos);
    hashes[i] = head + Mix((stretch.seq + record) ^ keys[0]) +
                Mix((stretch.ordinal + record) ^ keys[1]) + Mix((stretch.tick + record) ^ keys[2]) +
                Mix(lateness ^ keys[3]) + Mix(time ^ keys[4]);
    due += static_cast<uint64_t>(stretch.period_nanos);
  }
}

}  // namespace

uint64_t ChainSamples(uint64_t chain, const ChainStretch& stretch, const int64_t* residuals,
                      const ChainColumn* columns, size_t column_count, size_t count) {
  uint64_t hashes[kBlock];
  for (size_t from = 0; from < count; from += kBlock) {
    const size_t block = std::min(kBlock, count - from);
    BeginSamples(hashes, stretch, residuals, from, block);
    for (size_t i = 0; i < column_count; i++) {
      AddColumn(hashes, columns[i], from, block, Key(6 + i));
    }
    for (size_t i = 0; i < block; i++) chain = Mix(chain ^ hashes[i]);
  }
  return chain;
}

uint64_t ChainDigest(const uint8_t* bytes, size_t length) {
  uint64_t digest = length;
  size_t at = 0;
  for (; at + 8 <= length; at += 8) digest = Mix(digest ^ Load<uint64_t>(bytes + at));
  if (at == length) return digest;
  uint8_t last[8] = {};
  std::memcpy(last, bytes + at, length - at);
  return Mix(digest ^ Load<uint64_t>(last));
}

}  // namespace helicorder
