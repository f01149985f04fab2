// The chain for JavaScript: argument checks only. What it registers is declared and documented in
// native/index.ts.
#include <vector>

#include "binding_arguments.h"
#include "chain.h"

namespace {

using helicorder::ChainColumn;
using helicorder::ChainStretch;
using helicorder::ChainWords;

constexpr size_t kStretchWords = 7;

size_t Index(const Napi::Value& value, const char* what, size_t most) {
  return static_cast<size_t>(Whole(value, what, 0, static_cast<double>(most)));
}

const void* Values(Napi::Env env, const Napi::Value& value, size_t from, size_t count) {
  const bool is64 = IsArray<Napi::BigInt64Array>(value) || IsArray<Napi::BigUint64Array>(value);
  if (!is64 && !IsArray<Napi::Float64Array>(value)) {
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
  const Napi::Array list = List(info[3], "columns");
  const auto words = Bytes(info[4], "words");
  std::vector<ChainColumn> columns;
  if (words.ElementLength() != list.Length()) {
    throw Napi::RangeError::New(env, "words is not one for each column");
  }
  for (uint32_t i = 0; i < list.Length(); i++) {
    const uint8_t kind = words[i];
    const Napi::Value column = list.Get(i);
    const bool isDouble = IsArray<Napi::Float64Array>(column);
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
  auto state = ArrayOf<Napi::BigUint64Array>(info[0], "state", 1);
  const auto words = ArrayOf<Napi::BigInt64Array>(info[1], "stretch", kStretchWords);
  const size_t samples = ArrayOf<Napi::BigInt64Array>(info[2], "residuals").ElementLength();
  const size_t from = Index(info[5], "from", samples);
  const size_t count = Index(info[6], "count", samples - from);
  if (words[6] < 1) throw Napi::RangeError::New(env, "the resolution of stretch is below 1");
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
  auto bytes = Bytes(info[0], "bytes");
  return Napi::BigInt::New(info.Env(),
                           helicorder::ChainDigest(bytes.Data(), bytes.ElementLength()));
}

}  // namespace

void BindChain(Napi::Env env, Napi::Object exports) {
  exports.Set("chainSamples", Napi::Function::New<Samples>(env, "chainSamples"));
  exports.Set("chainDigest", Napi::Function::New<Digest>(env, "chainDigest"));
}
