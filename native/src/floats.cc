#include "floats.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>

namespace helicorder {
namespace {

constexpr size_t kScaledHeadBytes = 2 * sizeof(double) + 1;
constexpr double kSafeIntegerMax = 9007199254740991;  // 2^53 − 1
constexpr std::array<double, 10> kDivisors = {1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9};

// value = n / divisor, or n × scale where divisor is 0; of type f32: rounded to one.
struct Step {
  double divisor;
  double scale;
};

double ValueOf(double integer, const Step& step, bool is_f32) {
  const double value = step.divisor == 0 ? integer * step.scale : integer / step.divisor;
  return is_f32 ? static_cast<double>(static_cast<float>(value)) : value;
}

// Halves go up, as JavaScript's Math.round has it; never −0.
double Round(double value) {
  const double below = std::floor(value);
  return (value - below >= 0.5 ? below + 1 : below) + 0.0;
}

bool IsSame(double a, double b) { return std::memcmp(&a, &b, sizeof a) == 0; }

// Fills `integers`; false at the first value that does not come back bit for bit.
bool Divide(const double* values, size_t count, bool is_f32, const Step& step, int64_t* integers) {
  for (size_t i = 0; i < count; i++) {
    const double value = values[i];
    const double integer = Round(step.divisor == 0 ? value / step.scale : value * step.divisor);
    if (!(std::fabs(integer) <= kSafeIntegerMax)) return false;
    if (!IsSame(ValueOf(integer, step, is_f32), value)) return false;
    integers[i] = static_cast<int64_t>(integer);
  }
  return true;
}

// Decimals first: they are exact. Then the smallest value and the smallest difference as step.
bool FindStep(const double* values, size_t count, bool is_f32, Step* step, int64_t* integers) {
  const auto fits = [&](const Step& candidate) {
    *step = candidate;
    return Divide(values, count, is_f32, candidate, integers);
  };
  for (const double divisor : kDivisors) {
    if (fits({divisor, 0})) return true;
  }
  double smallest = std::numeric_limits<double>::infinity();
  double nearest = smallest;
  double previous = count == 0 ? 0 : values[0];
  for (size_t i = 0; i < count; i++) {
    // a NaN is no candidate, and fits none
    if (std::isnan(values[i])) return false;
    if (values[i] != 0) smallest = std::min(smallest, std::fabs(values[i]));
    if (values[i] != previous) nearest = std::min(nearest, std::fabs(values[i] - previous));
    previous = values[i];
  }
  for (const double scale : {smallest, nearest}) {
    if (scale > 0 && std::isfinite(scale) && fits({0, scale})) return true;
  }
  return false;
}

size_t PutRaw(const double* values, size_t count, bool is_f32, uint8_t* out) {
  if (!is_f32) {
    std::memcpy(out, values, count * sizeof(double));
    return count * sizeof(double);
  }
  for (size_t i = 0; i < count; i++) {
    const auto value = static_cast<float>(values[i]);
    std::memcpy(out + i * sizeof value, &value, sizeof value);
  }
  return count * sizeof(float);
}

}  // namespace

size_t FloatsBoundBytes(size_t count) { return kScaledHeadBytes + IntegersBoundBytes(count); }

EncodedColumn EncodeFloats(const double* values, size_t count, bool is_f32, int64_t* integers,
                           uint8_t* out) {
  const size_t raw_bytes = count * (is_f32 ? sizeof(float) : sizeof(double));
  Step step;
  if (count > 0 && FindStep(values, count, is_f32, &step, integers)) {
    const EncodedColumn inner = EncodeIntegers(integers, count, out + kScaledHeadBytes);
    const size_t bytes = kScaledHeadBytes + inner.bytes;
    if (bytes <= raw_bytes) {
      std::memcpy(out, &step.divisor, sizeof step.divisor);
      std::memcpy(out + sizeof step.divisor, &step.scale, sizeof step.scale);
      out[kScaledHeadBytes - 1] = inner.codec;
      return {kScaled, bytes};
    }
  }
  return {kRaw, PutRaw(values, count, is_f32, out)};
}

}  // namespace helicorder
