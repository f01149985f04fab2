// Differences of neighbours, as codecs 3–4 and 9–10 take them. All arithmetic on values is modulo
// 2^64: signed overflow is undefined in C++, unsigned is not.
#pragma once

#include <cstddef>
#include <cstdint>

namespace helicorder {

inline int64_t Add(int64_t a, int64_t b) {
  return static_cast<int64_t>(static_cast<uint64_t>(a) + static_cast<uint64_t>(b));
}

inline uint64_t Distance(int64_t from, int64_t to) {
  return static_cast<uint64_t>(to) - static_cast<uint64_t>(from);
}

// `out` receives count − 1 differences, and may be `values`.
inline void Differences(const int64_t* values, size_t count, int64_t* out) {
  for (size_t i = 0; i + 1 < count; i++) {
    out[i] = static_cast<int64_t>(Distance(values[i], values[i + 1]));
  }
}

// Undoes `order` rounds of differences in place: values[i] for i < order is the first of round i.
inline void SumUp(int64_t* values, size_t count, unsigned order) {
  for (unsigned first = order; first-- > 0;) {
    for (size_t i = first + 1; i < count; i++) values[i] = Add(values[i], values[i - 1]);
  }
}

}  // namespace helicorder
