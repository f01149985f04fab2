// The chain for JavaScript: argument checks only. What it registers is declared and documented in
// native/index.ts.
#include <cmath>
#include <vector>

#include "bindings.h"
#include "chain.h"

namespace {

using helicorder::ChainColumn;
using helicorder::ChainStretch;
using helicorder::ChainWords;

constexpr size_t kStretchWords = 7;

bool IsArray(const Napi::Value& value, napi_typedarray_type type) {
  return value.IsTypedArray() && value.As<Napi::TypedArray>().TypedArrayType() == type;
}

size_t Index(Napi::Env env, const Napi::Value& value, size_t most, const char* what) {
  const double number = value.IsNumber() ? value.As<Napi::Number>().DoubleValue() : -1;
  if (!(number >= 0 && number <= static_cast<double>(most)) || std::floor(number) != number) {
    throw Napi::RangeError::New(env, std::string(what) + " is not a whole number in its range");
  }
  return static_cast<size_t>(number);
}

const void* Values(Napi::Env env, const Napi::Value& value, size_t from, size_t count) {
  const bool is64 = IsArray(value, napi_bigint64_array) || IsArray(value, napi_biguint64_array);
  if (!is64 && !IsArray(value, napi_float64_array)) {
    throw Napi::TypeError::New(env, "a column is not an array of 8-byte values");
  }
  const auto array = value.As<Napi::TypedArray>();
  if (array.ElementLength() < from + count) {
    throw Napi::RangeError::New(env, "a column is shorter than its samples");
  }
  const auto* const memory = static_cast<const uint8_t*>(array.ArrayBuffer().Data());
  return memory + array.ByteOffset() + 8 * from;
}

std::vector<ChainColumn> Columns(const Napi::CallbackInfo& info, size_t from, size_t count) {
  const Napi::Env env = info.Env();
  if (!info[3].IsArray() || !IsArray(info[4], napi_uint8_array)) {
    throw Napi::TypeError::New(env, "columns or words is not the array expected");
  }
  const auto list = info[3].As<Napi::Array>();
  const auto words = info[4].As<Napi::Uint8Array>();
  std::vector<ChainColumn> columns;
  if (words.ElementLength() != list.Length()) {
    throw Napi::RangeError::New(env, "words is not one for each column");
  }
  for (uint32_t i = 0; i < list.Length(); i++) {
    const uint8_t kind = words[i];
    const Napi::Value column = list.Get(i);
    const bool isDouble = IsArray(column, napi_float64_array);
    if (kind > 2 || isDouble == (kind == 0)) {
      throw Napi::RangeError::New(env, "words does not fit its column");
    }
    columns.push_back({Values(env, column, from, count), static_cast<ChainWords>(kind)});
  }
  return columns;
}

// chainSamples(state, stretch, residuals, columns, words, from, count)
void Samples(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (!IsArray(info[0], napi_biguint64_array) || !IsArray(info[1], napi_bigint64_array) ||
      !IsArray(info[2], napi_bigint64_array)) {
    throw Napi::TypeError::New(env, "state, stretch or residuals is not the array expected");
  }
  auto state = info[0].As<Napi::BigUint64Array>();
  const auto words = info[1].As<Napi::BigInt64Array>();
  const size_t samples = info[2].As<Napi::BigInt64Array>().ElementLength();
  const size_t from = Index(env, info[5], samples, "from");
  const size_t count = Index(env, info[6], samples - from, "count");
  if (state.ElementLength() < 1 || words.ElementLength() < kStretchWords || words[6] < 1) {
    throw Napi::RangeError::New(env, "state or stretch is not what it must be");
  }
  const auto* const residuals = static_cast<const int64_t*>(Values(env, info[2], from, count));
  const auto columns = Columns(info, from, count);
  const ChainStretch stretch = {static_cast<uint64_t>(words[0]),
                                static_cast<uint64_t>(words[1]),
                                static_cast<uint64_t>(words[2]),
                                static_cast<uint64_t>(words[3]),
                                words[4],
                                words[5],
                                words[6]};
  state[0] =
      helicorder::ChainSamples(state[0], stretch, residuals, columns.data(), columns.size(), count);
}

// [digest] = chainDigest(bytes)
Napi::Value Digest(const Napi::CallbackInfo& info) {
  if (!IsArray(info[0], napi_uint8_array)) {
    throw Napi::TypeError::New(info.Env(), "bytes is not a Uint8Array");
  }
  const auto bytes = info[0].As<Napi::Uint8Array>();
  return Napi::BigInt::New(info.Env(),
                           helicorder::ChainDigest(bytes.Data(), bytes.ElementLength()));
}

}  // namespace

void BindChain(Napi::Env env, Napi::Object exports) {
  exports.Set("chainSamples", Napi::Function::New<Samples>(env, "chainSamples"));
  exports.Set("chainDigest", Napi::Function::New<Digest>(env, "chainDigest"));
}
