#include "rans.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace helicorder {
namespace {

// 256ths of a bit that a token of each frequency costs, rounded.
std::array<uint16_t, kScale + 1> Costs() {
  std::array<uint16_t, kScale + 1> costs{};
  for (uint32_t frequency = 1; frequency <= kScale; frequency++) {
    const double bits = kScaleBits - std::log2(frequency);
    costs[frequency] = static_cast<uint16_t>(std::lround(256 * bits));
  }
  return costs;
}

}  // namespace

Frequencies FrequenciesOf(const TokenCounts& counts, size_t end) {
  Frequencies frequencies{};
  const uint64_t total = std::accumulate(counts.begin(), counts.begin() + end, uint64_t{0});
  if (total == 0) {
    frequencies[0] = kScale;
    return frequencies;
  }
  uint32_t sum = 0;
  for (size_t token = 0; token < end; token++) {
    if (counts[token] == 0) continue;
    const uint64_t nearest = (2 * uint64_t{counts[token]} * kScale + total) / (2 * total);
    frequencies[token] = static_cast<uint16_t>(std::max<uint64_t>(nearest, 1));
    sum += frequencies[token];
  }
  // what rounding left over or took too much is least felt where there is most
  const auto most = [&] {
    return std::max_element(frequencies.begin(), frequencies.begin() + end);
  };
  if (sum < kScale) *most() = static_cast<uint16_t>(*most() + kScale - sum);
  for (; sum > kScale; sum--) --*most();
  return frequencies;
}

uint64_t CostOf(const TokenCounts& counts, size_t end, const Frequencies& frequencies) {
  static const auto costs = Costs();
  uint64_t cost = 0;
  for (size_t token = 0; token < end; token++) {
    cost += uint64_t{counts[token]} * costs[frequencies[token]];
  }
  return cost;
}

uint8_t* PutFrequencies(uint8_t* out, const Frequencies& frequencies) {
  uint32_t sum = 0;
  for (size_t token = 0; sum < kScale;) {
    out = PutVarint(out, frequencies[token]);
    sum += frequencies[token];
    if (frequencies[token++] != 0) continue;
    const size_t first = token;
    while (frequencies[token] == 0) token++;
    out = PutVarint(out, token - first);
  }
  return out;
}

bool ReadFrequencies(ByteReader* reader, Frequencies* frequencies) {
  frequencies->fill(0);
  uint32_t sum = 0;
  for (size_t token = 0; sum < kScale; token++) {
    uint64_t frequency;
    if (token >= kTokens || !reader->Varint(&frequency)) return false;
    if (frequency > kScale - sum) return false;
    (*frequencies)[token] = static_cast<uint16_t>(frequency);
    sum += static_cast<uint32_t>(frequency);
    if (frequency > 0) continue;
    uint64_t more;
    if (!reader->Varint(&more) || more >= kTokens) return false;
    token += more;
  }
  return true;
}

std::array<uint16_t, kTokens> StartsOf(const Frequencies& frequencies) {
  std::array<uint16_t, kTokens> starts;
  std::exclusive_scan(frequencies.begin(), frequencies.end(), starts.begin(), uint16_t{0});
  return starts;
}

void RansTable::Set(const Frequencies& frequencies) {
  const auto starts = StartsOf(frequencies);
  for (size_t token = 0; token < kTokens; token++) {
    ranges_[token] = {frequencies[token], starts[token]};
    std::fill_n(token_of_slot_.begin() + starts[token], frequencies[token],
                static_cast<uint16_t>(token));
  }
}

}  // namespace helicorder
