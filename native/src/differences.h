// Differences of neighbours, as codecs 3–4 and 9–10 take them. All arithmetic on values is modulo
// 2^64: signed overflow is undefined in C++, unsigned is not.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace helicorder {

inline constexpr unsigned kOrders = 3;  // values, differences, differences of differences

inline int64_t Add(int64_t a, int64_t b) {
  return static_cast<int64_t>(static_cast<uint64_t>(a) + static_cast<uint64_t>(b));
}

inline uint64_t Distance(int64_t from, int64_t to) {
  return static_cast<uint64_t>(to) - static_cast<uint64_t>(from);
}

// Leaves count − 1 differences in the place of `values`. T: int64_t, or int32_t where the caller
// knows that it is wide enough.
template <typename T>
void TakeDifferences(T* values, size_t count) {
  using U = std::make_unsigned_t<T>;
  for (size_t i = 0; i + 1 < count; i++) {
    values[i] = static_cast<T>(static_cast<U>(values[i + 1]) - static_cast<U>(values[i]));
  }
}

// Undoes kOrder rounds of differences: for each one that was stored, the value it stands for.
// Before them come the first values, as they are stored: one of each order.
template <unsigned kOrder>
struct RunningSum {
  int64_t value = 0;
  int64_t difference = 0;

  // The first value, and with order 2 the first difference behind it.
  int64_t First(int64_t stored) { return value = stored; }
  int64_t Second(int64_t stored) { return value = Add(value, difference = stored); }

  int64_t Next(int64_t stored) {
    if (kOrder > 1) difference = Add(difference, stored);
    return value = kOrder == 0 ? stored : Add(value, kOrder == 1 ? stored : difference);
  }
};

}  // namespace helicorder
