// Reading codecs 8–10; dense.cc writes them.
#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <memory>

#include "bits.h"
#include "dense.h"
#include "differences.h"
#include "rans.h"
#include "tokens.h"

namespace helicorder {
namespace {

class RawBitsReader {
 public:
  RawBitsReader() = default;
  // `pad`: 8 bytes, which are used if there are fewer than that.
  RawBitsReader(const uint8_t* bytes, size_t length, uint8_t* pad)
      : bytes_(bytes), length_(length) {
    if (length >= sizeof(uint64_t)) {
      last_ = length - sizeof(uint64_t);
      return;
    }
    std::memset(pad, 0, sizeof(uint64_t));
    std::memcpy(pad, bytes, length);
    bytes_ = pad;
  }

  // `mask`: of as many bits, or of the first 32. Behind the end there is anything; Ended() tells.
  uint64_t Get(unsigned width, uint32_t mask) {
    uint64_t bits = At(bit_) & mask;
    if (width > 32) bits |= (At(bit_ + 32) & LowMask(width - 32)) << 32;
    bit_ += width;
    return bits;
  }

  bool Ended() const { return (bit_ + 7) / 8 == length_; }

 private:
  // At least 32 bits, if there are as many.
  uint64_t At(size_t bit) const {
    const size_t byte = std::min(bit / 8, last_);
    uint64_t word;
    std::memcpy(&word, bytes_ + byte, sizeof word);
    return word >> ((bit - 8 * byte) % 64);
  }

  const uint8_t* bytes_ = nullptr;
  size_t length_ = 0;
  size_t last_ = 0;  // byte from which eight can be read
  size_t bit_ = 0;
};

// Where decoding a column stands.
struct Lane {
  RansDecoder decoder;
  RawBitsReader bits;
  const RansTable* table = nullptr;  // of the next token
  std::array<const RansTable*, kContexts> by_context{};
  int64_t* next = nullptr;  // where the next number goes
  size_t left = 0;          // numbers
};

// Takes `count` tokens of each lane. Each token waits for the one before it, and most of that time
// there is nothing else to do: two lanes side by side take little longer than one (with more of
// them the registers do not suffice).
template <size_t kLanes>
void Together(Lane* lanes, size_t count) {
  // copies, which no store of a number may change: they stay in registers
  RansDecoder decoders[kLanes];
  RawBitsReader bits[kLanes];
  const RansTable* tables[kLanes];
  for (size_t lane = 0; lane < kLanes; lane++) {
    decoders[lane] = lanes[lane].decoder;
    bits[lane] = lanes[lane].bits;
    tables[lane] = lanes[lane].table;
  }
  for (size_t i = 0; i < count; i++) {
#pragma GCC unroll 2
    for (size_t lane = 0; lane < kLanes; lane++) {
      const TokenShape& shape = kShapes[decoders[lane].Get(*tables[lane])];
      // whether there are raw bits has no pattern: none are taken like any others
      const uint64_t raw = bits[lane].Get(shape.raw_bits, shape.raw_mask);
      lanes[lane].next[i] = static_cast<int64_t>(shape.number | raw << 1);
      tables[lane] = lanes[lane].by_context[shape.context];
    }
  }
  for (size_t lane = 0; lane < kLanes; lane++) {
    lanes[lane].decoder = decoders[lane];
    lanes[lane].bits = bits[lane];
    lanes[lane].table = tables[lane];
    lanes[lane].next += count;
    lanes[lane].left -= count;
  }
}

// A column that is being decoded, and its tables.
class DenseDecoder {
 public:
  // Reads all but the tokens; the lane is set to take these.
  bool Begin(const DenseColumn& column, Lane* lane) {
    values_ = column.values;
    count_ = column.count;
    as_doubles_ = column.as_doubles;
    order_ = static_cast<unsigned>(column.codec - kRans);
    if (column.codec < kRans || order_ >= kOrders || count_ < order_) return false;
    ByteReader reader(column.bytes, column.length);
    for (unsigned i = 0; i < order_; i++) {
      if (!reader.Svarint(&values_[i])) return false;
    }
    lane->next = values_ + order_;
    lane->left = count_ - order_;
    return (lane->left == 0 || BeginTokens(&reader, lane)) && reader.left() == 0;
  }

  // Takes what is left, and numbers become values. False unless the bytes were exactly those.
  bool Finish(Lane* lane) const {
    Together<1>(lane, lane->left);
    if (!lane->decoder.Ended() || !lane->bits.Ended()) return false;
    if (order_ == 0) FinishAs<0>();
    if (order_ == 1) FinishAs<1>();
    if (order_ == 2) FinishAs<2>();
    return true;
  }

 private:
  bool BeginTokens(ByteReader* reader, Lane* lane) {
    uint8_t contexts;
    uint64_t words;
    const uint8_t* state;
    const uint8_t* coded;
    const uint8_t* raw;
    if (!reader->Svarint(&base_) || !reader->U8(&contexts)) return false;
    if (contexts != 1 && contexts != kContexts) return false;
    tables_.reset(new RansTable[contexts]);
    for (size_t context = 0; context < contexts; context++) {
      Frequencies frequencies;
      if (!ReadFrequencies(reader, &frequencies)) return false;
      tables_[context].Set(frequencies);
    }
    if (!reader->Varint(&words) || !reader->Take(sizeof(uint32_t), &state)) return false;
    if (words > reader->left() / 2 || !reader->Take(2 * words, &coded)) return false;
    const size_t raw_bytes = reader->left();
    if (!reader->Take(raw_bytes, &raw)) return false;
    uint32_t first_state;
    std::memcpy(&first_state, state, sizeof first_state);
    lane->decoder = RansDecoder(first_state, coded, words);
    lane->bits = RawBitsReader(raw, raw_bytes, pad_);
    for (size_t i = 0; i < kContexts; i++) lane->by_context[i] = &tables_[contexts == 1 ? 0 : i];
    lane->table = &tables_[0];
    return true;
  }

  template <unsigned kOrder>
  void FinishAs() const {
    return as_doubles_ ? FinishAs<kOrder, double>() : FinishAs<kOrder, int64_t>();
  }

  // In the place of each: a double is as wide.
  template <unsigned kOrder, typename Value>
  void FinishAs() const {
    const auto store = [this](size_t i, int64_t integer) {
      const auto value = static_cast<Value>(integer);
      std::memcpy(values_ + i, &value, sizeof value);
    };
    RunningSum<kOrder> sum;
    if (kOrder > 0) store(0, sum.First(values_[0]));
    if (kOrder > 1) store(1, sum.Second(values_[1]));
    for (size_t i = kOrder; i < count_; i++) {
      store(i, sum.Next(Add(base_, Unzigzag(static_cast<uint64_t>(values_[i])))));
    }
  }

  std::unique_ptr<RansTable[]> tables_;
  uint8_t pad_[sizeof(uint64_t)];
  int64_t base_ = 0;
  int64_t* values_ = nullptr;
  size_t count_ = 0;
  unsigned order_ = 0;
  bool as_doubles_ = false;
};

// Side by side up to the end of the shorter one.
bool DecodePair(const DenseColumn* columns) {
  DenseDecoder decoders[2];
  Lane lanes[2];
  if (!decoders[0].Begin(columns[0], &lanes[0])) return false;
  if (!decoders[1].Begin(columns[1], &lanes[1])) return false;
  Together<2>(lanes, std::min(lanes[0].left, lanes[1].left));
  return decoders[0].Finish(&lanes[0]) && decoders[1].Finish(&lanes[1]);
}

bool DecodeOne(const DenseColumn& column) {
  DenseDecoder decoder;
  Lane lane;
  return decoder.Begin(column, &lane) && decoder.Finish(&lane);
}

}  // namespace

int DecodeDense(const DenseColumn* columns, size_t count) {
  for (size_t i = 0; i + 1 < count; i += 2) {
    if (!DecodePair(columns + i)) return -EBADMSG;
  }
  return count % 2 == 0 || DecodeOne(columns[count - 1]) ? 0 : -EBADMSG;
}

}  // namespace helicorder
