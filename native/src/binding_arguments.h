// Checked arguments and system errors, shared by all bindings. A value is an argument, an element
// of a list or a property of an object; `what` is its name in the error.
#pragma once

#include <uv.h>

#include <cmath>
#include <cstdint>
#include <string>

#include "bindings.h"

constexpr double kSafeIntegerMax = 9007199254740991.0;

// Like Node's own: `ENOSPC: no space left on device, write`, with code, errno and syscall.
inline Napi::Error SystemError(Napi::Env env, int negative_errno, const char* call,
                               const std::string& path = {}) {
  const std::string code = uv_err_name(negative_errno);
  std::string message = code + ": " + uv_strerror(negative_errno) + ", " + call;
  if (!path.empty()) message += " '" + path + "'";
  Napi::Error error = Napi::Error::New(env, message);
  error.Set("code", code);
  error.Set("errno", static_cast<double>(negative_errno));
  error.Set("syscall", call);
  if (!path.empty()) error.Set("path", path);
  return error;
}

inline double Whole(const Napi::Value& value, const char* what, double least, double most) {
  const double number = value.IsNumber() ? value.As<Napi::Number>().DoubleValue() : NAN;
  if (!(number >= least && number <= most) || std::floor(number) != number) {
    throw Napi::RangeError::New(value.Env(),
                                std::string(what) + " is not a whole number in its range");
  }
  return number;
}

inline Napi::Function Function(const Napi::Value& value, const char* what) {
  if (value.IsFunction()) return value.As<Napi::Function>();
  throw Napi::TypeError::New(value.Env(), std::string(what) + " is not a function");
}

inline int Descriptor(const Napi::Value& value) {
  return static_cast<int>(Whole(value, "fd", 0, INT32_MAX));
}

inline bool Flag(const Napi::Value& value, const char* what) {
  if (value.IsBoolean()) return value.As<Napi::Boolean>();
  throw Napi::TypeError::New(value.Env(), std::string(what) + " is not a boolean");
}

inline std::string Text(const Napi::Value& value, const char* what) {
  if (value.IsString()) return value.As<Napi::String>();
  throw Napi::TypeError::New(value.Env(), std::string(what) + " is not a string");
}

// Also refuses a path with a NUL inside: the kernel would take the part before it.
inline std::string Path(const Napi::Value& value) {
  std::string path = Text(value, "path");
  if (path.empty() || path.find('\0') != std::string::npos) {
    throw Napi::TypeError::New(value.Env(), "path is empty or holds a NUL");
  }
  return path;
}

inline Napi::Object Object(const Napi::Value& value, const char* what) {
  if (value.IsObject()) return value.As<Napi::Object>();
  throw Napi::TypeError::New(value.Env(), std::string(what) + " is not an object");
}

inline Napi::Array List(const Napi::Value& value, const char* what) {
  if (value.IsArray()) return value.As<Napi::Array>();
  throw Napi::TypeError::New(value.Env(), std::string(what) + " is not an array");
}

inline uint64_t Unsigned64(const Napi::Value& value, const char* what) {
  bool lossless = false;
  uint64_t number = 0;
  if (value.IsBigInt()) number = value.As<Napi::BigInt>().Uint64Value(&lossless);
  if (lossless) return number;
  throw Napi::TypeError::New(value.Env(), std::string(what) + " is not an unsigned 64-bit bigint");
}

inline int64_t Signed64(const Napi::Value& value, const char* what, int64_t least = INT64_MIN) {
  bool lossless = false;
  int64_t number = 0;
  if (value.IsBigInt()) number = value.As<Napi::BigInt>().Int64Value(&lossless);
  if (lossless && number >= least) return number;
  throw Napi::RangeError::New(value.Env(), std::string(what) + " is not a bigint in its range");
}

// The typed arrays that are taken, by the names that JavaScript has for them.
struct ArrayKind {
  napi_typedarray_type type;
  const char* name;
};
template <typename Array>
constexpr ArrayKind kArrayKind = {};
// A Buffer is one too.
template <>
constexpr ArrayKind kArrayKind<Napi::Uint8Array> = {napi_uint8_array, "Uint8Array"};
template <>
constexpr ArrayKind kArrayKind<Napi::Uint32Array> = {napi_uint32_array, "Uint32Array"};
template <>
constexpr ArrayKind kArrayKind<Napi::Float64Array> = {napi_float64_array, "Float64Array"};
template <>
constexpr ArrayKind kArrayKind<Napi::BigInt64Array> = {napi_bigint64_array, "BigInt64Array"};
template <>
constexpr ArrayKind kArrayKind<Napi::BigUint64Array> = {napi_biguint64_array, "BigUint64Array"};

template <typename Array>
bool IsArray(const Napi::Value& value) {
  return value.IsTypedArray() &&
         value.As<Napi::TypedArray>().TypedArrayType() == kArrayKind<Array>.type;
}

// `least`: of its elements.
template <typename Array>
Array ArrayOf(const Napi::Value& value, const char* what, size_t least = 0) {
  if (!IsArray<Array>(value)) {
    throw Napi::TypeError::New(value.Env(),
                               std::string(what) + " is not a " + kArrayKind<Array>.name);
  }
  const auto array = value.As<Array>();
  if (array.ElementLength() < least) {
    throw Napi::RangeError::New(
        value.Env(), std::string(what) + " has fewer than " + std::to_string(least) + " elements");
  }
  return array;
}

inline Napi::Uint8Array Bytes(const Napi::Value& value, const char* what) {
  return ArrayOf<Napi::Uint8Array>(value, what);
}
