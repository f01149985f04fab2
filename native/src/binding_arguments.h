// Checked arguments and system errors, as the bindings that touch files share them.
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

inline double Whole(const Napi::CallbackInfo& info, size_t index, const char* what, double most) {
  const Napi::Value value = info[index];
  const double number = value.IsNumber() ? value.As<Napi::Number>().DoubleValue() : -1;
  if (!(number >= 0 && number <= most) || std::floor(number) != number) {
    throw Napi::RangeError::New(info.Env(), std::string(what) + " is not a whole number in range");
  }
  return number;
}

inline Napi::Function Function(const Napi::CallbackInfo& info, size_t index, const char* what) {
  if (info[index].IsFunction()) return info[index].As<Napi::Function>();
  throw Napi::TypeError::New(info.Env(), std::string(what) + " is not a function");
}

inline int Descriptor(const Napi::CallbackInfo& info, size_t index) {
  return static_cast<int>(Whole(info, index, "fd", INT32_MAX));
}

inline bool Flag(const Napi::CallbackInfo& info, size_t index, const char* what) {
  if (!info[index].IsBoolean()) {
    throw Napi::TypeError::New(info.Env(), std::string(what) + " is not a boolean");
  }
  return info[index].As<Napi::Boolean>();
}

// Also refuses a path with a NUL inside: the kernel would take the part before it.
inline std::string Path(const Napi::CallbackInfo& info, size_t index) {
  if (!info[index].IsString()) throw Napi::TypeError::New(info.Env(), "path is not a string");
  std::string path = info[index].As<Napi::String>();
  if (path.empty() || path.find('\0') != std::string::npos) {
    throw Napi::TypeError::New(info.Env(), "path is empty or holds a NUL");
  }
  return path;
}

// A Buffer is a Uint8Array too.
inline Napi::Uint8Array Bytes(const Napi::CallbackInfo& info, size_t index, const char* what) {
  const Napi::Value value = info[index];
  if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != napi_uint8_array) {
    throw Napi::TypeError::New(info.Env(), std::string(what) + " is not a Uint8Array");
  }
  return value.As<Napi::Uint8Array>();
}

inline uint64_t Unsigned64(const Napi::CallbackInfo& info, size_t index, const char* what) {
  bool lossless = false;
  uint64_t value = 0;
  if (info[index].IsBigInt()) value = info[index].As<Napi::BigInt>().Uint64Value(&lossless);
  if (!lossless) {
    throw Napi::TypeError::New(info.Env(), std::string(what) + " is not an unsigned 64-bit bigint");
  }
  return value;
}
