#include "dense.h"

#include <algorithm>
#include <memory>
#include <vector>

#include "bits.h"
#include "differences.h"
#include "rans.h"
#include "tokens.h"

namespace helicorder {
namespace {

constexpr size_t kSampleMaxValues = 512;

// Bits of a value that are not coded, LSB first, behind each other.
class RawBitsWriter {
 public:
  explicit RawBitsWriter(uint8_t* out) : at_(out) {}

  // Overwrites up to 8 bytes behind what it needs.
  void Put(uint64_t bits, unsigned width) {
    if (width > 32) {
      Put(bits & 0xffffffff, 32);
      return Put(bits >> 32, width - 32);
    }
    word_ |= bits << held_;
    std::memcpy(at_, &word_, sizeof word_);
    held_ += width;
    at_ += held_ >> 3;
    word_ >>= held_ & ~7u;
    held_ &= 7;
  }

  uint8_t* Finish() { return at_ + (held_ > 0); }

 private:
  uint8_t* at_;
  uint64_t word_ = 0;
  unsigned held_ = 0;
};

uint64_t NumberOf(int64_t value, int64_t base) {
  return Zigzag(static_cast<int64_t>(Distance(base, value)));
}

void Difference(std::vector<int64_t>* values) {
  TakeDifferences(values->data(), values->size());
  values->pop_back();
}

// The middle one of a sample: what most values equal, if there is such a one.
int64_t BaseOf(const std::vector<int64_t>& values) {
  const size_t step = (values.size() + kSampleMaxValues - 1) / kSampleMaxValues;
  std::vector<int64_t> sample;
  for (size_t i = 0; i < values.size(); i += step) sample.push_back(values[i]);
  const auto middle = sample.begin() + static_cast<std::ptrdiff_t>(sample.size() / 2);
  std::nth_element(sample.begin(), middle, sample.end());
  return *middle;
}

// The numbers of one order as tokens, and how often each comes in which context.
struct Tokens {
  explicit Tokens(const std::vector<int64_t>& values)
      : base(BaseOf(values)), tokens(values.size()) {
    uint16_t largest = 0;
    size_t context = 0;
    for (size_t i = 0; i < values.size(); i++) {
      const uint16_t token = TokenOf(NumberOf(values[i], base));
      tokens[i] = token;
      counts[context][token]++;
      context = kShapes[token].context;
      largest = std::max(largest, token);
    }
    end = largest + 1u;
  }

  // Without contexts.
  TokenCounts Joined() const {
    TokenCounts all{};
    for (const TokenCounts& context : counts) {
      for (size_t token = 0; token < end; token++) all[token] += context[token];
    }
    return all;
  }

  int64_t base;
  std::vector<uint16_t> tokens;
  std::array<TokenCounts, kContexts> counts{};
  size_t end;  // no token is as large as this
};

uint64_t CostOfContext(const TokenCounts& counts, size_t end) {
  const Frequencies frequencies = FrequenciesOf(counts, end);
  uint8_t table[kFrequenciesMaxBytes];
  const auto bytes = static_cast<uint64_t>(PutFrequencies(table, frequencies) - table);
  uint64_t cost = 256 * 8 * bytes + CostOf(counts, end, frequencies);
  for (size_t token = kPlainTokens; token < end; token++) {
    cost += uint64_t{256} * kShapes[token].raw_bits * counts[token];
  }
  return cost;
}

struct Plan {
  unsigned order = 0;
  bool has_contexts = false;
  uint64_t cost = ~0ull;  // 256ths of a bit
  std::unique_ptr<Tokens> tokens;
};

// The cheapest; of equally cheap ones that of the lowest order with the fewest contexts.
Plan PlanFor(const int64_t* values, size_t count) {
  std::vector<int64_t> rest(values, values + count);
  Plan best;
  uint64_t firsts = 0;
  for (unsigned order = 0; order < kOrders && !rest.empty(); order++) {
    auto tokens = std::make_unique<Tokens>(rest);
    const size_t end = tokens->end;
    const uint64_t head = 256 * 8 * (firsts + VarintBytes(Zigzag(tokens->base)));
    const uint64_t one = head + CostOfContext(tokens->Joined(), end);
    uint64_t many = head;
    for (const TokenCounts& context : tokens->counts) many += CostOfContext(context, end);
    if (std::min(one, many) < best.cost) {
      best = {order, many < one, std::min(one, many), std::move(tokens)};
    }
    firsts += VarintBytes(Zigzag(rest[0]));
    Difference(&rest);
  }
  return best;
}

using Symbols = std::array<RansSymbol, kTokens>;

Symbols SymbolsOf(const Frequencies& frequencies, size_t end) {
  Symbols symbols;
  const auto starts = StartsOf(frequencies);
  for (size_t token = 0; token < end; token++) {
    if (frequencies[token] > 0) symbols[token] = {frequencies[token], starts[token]};
  }
  return symbols;
}

uint8_t* PutTokens(uint8_t* out, const std::vector<int64_t>& values, const Plan& plan) {
  const auto& [base, tokens, counts, end] = *plan.tokens;
  const size_t contexts = plan.has_contexts ? kContexts : 1;
  const auto symbols = std::make_unique<std::array<Symbols, kContexts>>();
  for (size_t context = 0; context < contexts; context++) {
    const TokenCounts used = plan.has_contexts ? counts[context] : plan.tokens->Joined();
    const Frequencies frequencies = FrequenciesOf(used, end);
    (*symbols)[context] = SymbolsOf(frequencies, end);
    out = PutFrequencies(out, frequencies);
  }
  std::vector<uint16_t> words(values.size());
  RansEncoder encoder(words.data() + words.size());
  for (size_t i = values.size(); i-- > 0;) {
    const size_t context = plan.has_contexts && i > 0 ? kShapes[tokens[i - 1]].context : 0;
    encoder.Put((*symbols)[context][tokens[i]]);
  }
  const auto count = static_cast<size_t>(words.data() + words.size() - encoder.words());
  const uint32_t state = encoder.state();
  out = PutVarint(out, count);
  std::memcpy(out, &state, sizeof state);
  std::memcpy(out + sizeof state, encoder.words(), count * sizeof(uint16_t));
  RawBitsWriter raw(out + sizeof state + count * sizeof(uint16_t));
  for (size_t i = 0; i < values.size(); i++) {
    const unsigned width = kShapes[tokens[i]].raw_bits;
    if (width > 0) raw.Put(NumberOf(values[i], base) >> 1 & LowMask(width), width);
  }
  return raw.Finish();
}

}  // namespace

size_t DenseBoundBytes(size_t count) {
  // 60 raw bits and one word for each value, beside what is there once
  return 4 * kVarintMaxBytes + 16 + kContexts * kFrequenciesMaxBytes + count * 10;
}

EncodedColumn EncodeDense(const int64_t* values, size_t count, uint8_t* out) {
  const Plan plan = PlanFor(values, count);
  std::vector<int64_t> rest(values, values + count);
  uint8_t* at = out;
  for (unsigned i = 0; i < plan.order; i++) {
    at = PutSvarint(at, rest[0]);
    Difference(&rest);
  }
  if (!rest.empty()) {
    at = PutSvarint(at, plan.tokens->base);
    *at++ = plan.has_contexts ? kContexts : 1;
    at = PutTokens(at, rest, plan);
  }
  return {static_cast<Codec>(kRans + plan.order), static_cast<size_t>(at - out)};
}

EncodedColumn EncodeShorter(const int64_t* values, size_t count, uint8_t* out) {
  const EncodedColumn dense = EncodeDense(values, count, out);
  const std::unique_ptr<uint8_t[]> bytes(new uint8_t[IntegersBoundBytes(count)]);
  const EncodedColumn plain = EncodeIntegers(values, count, bytes.get());
  if (dense.bytes < plain.bytes) return dense;
  std::memcpy(out, bytes.get(), plain.bytes);
  return plain;
}

}  // namespace helicorder
