// Checksums, clocks, durable files, locks and the mark for JavaScript: argument checks only. What
// it registers is declared and documented in native/index.ts.
#include <unistd.h>
#include <uv.h>

#include <cmath>
#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>

#include "bindings.h"
#include "clock.h"
#include "crc32c.h"
#include "direct_file.h"
#include "file_lock.h"
#include "mark.h"
#include "mark_waiter.h"

namespace {

constexpr double kSafeIntegerMax = 9007199254740991.0;
constexpr int kWaitMaxMs = 1000;

// Like Node's own: `ENOSPC: no space left on device, write`, with code, errno and syscall.
Napi::Error SystemError(Napi::Env env, int negative_errno, const char* call,
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

double Whole(const Napi::CallbackInfo& info, size_t index, const char* what, double most) {
  const Napi::Value value = info[index];
  const double number = value.IsNumber() ? value.As<Napi::Number>().DoubleValue() : -1;
  if (!(number >= 0 && number <= most) || std::floor(number) != number) {
    throw Napi::RangeError::New(info.Env(), std::string(what) + " is not a whole number in range");
  }
  return number;
}

int Descriptor(const Napi::CallbackInfo& info, size_t index) {
  return static_cast<int>(Whole(info, index, "fd", INT32_MAX));
}

bool Flag(const Napi::CallbackInfo& info, size_t index, const char* what) {
  if (!info[index].IsBoolean()) {
    throw Napi::TypeError::New(info.Env(), std::string(what) + " is not a boolean");
  }
  return info[index].As<Napi::Boolean>();
}

// Also refuses a path with a NUL inside: the kernel would take the part before it.
std::string Path(const Napi::CallbackInfo& info, size_t index) {
  if (!info[index].IsString()) throw Napi::TypeError::New(info.Env(), "path is not a string");
  std::string path = info[index].As<Napi::String>();
  if (path.empty() || path.find('\0') != std::string::npos) {
    throw Napi::TypeError::New(info.Env(), "path is empty or holds a NUL");
  }
  return path;
}

// A Buffer is a Uint8Array too.
Napi::Uint8Array Bytes(const Napi::CallbackInfo& info, size_t index, const char* what) {
  const Napi::Value value = info[index];
  if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != napi_uint8_array) {
    throw Napi::TypeError::New(info.Env(), std::string(what) + " is not a Uint8Array");
  }
  return value.As<Napi::Uint8Array>();
}

uint64_t Unsigned64(const Napi::CallbackInfo& info, size_t index, const char* what) {
  bool lossless = false;
  uint64_t value = 0;
  if (info[index].IsBigInt()) value = info[index].As<Napi::BigInt>().Uint64Value(&lossless);
  if (!lossless) {
    throw Napi::TypeError::New(info.Env(), std::string(what) + " is not an unsigned 64-bit bigint");
  }
  return value;
}

Napi::Value JsCrc32c(const Napi::CallbackInfo& info) {
  const Napi::Uint8Array bytes = Bytes(info, 0, "bytes");
  uint32_t seed = 0;
  if (!info[1].IsUndefined()) seed = static_cast<uint32_t>(Whole(info, 1, "seed", UINT32_MAX));
  return Napi::Number::New(info.Env(), Crc32c(bytes.Data(), bytes.ByteLength(), seed));
}

void JsReadClocks(const Napi::CallbackInfo& info) {
  const Napi::Value value = info[0];
  if (!value.IsTypedArray() ||
      value.As<Napi::TypedArray>().TypedArrayType() != napi_bigint64_array ||
      value.As<Napi::TypedArray>().ElementLength() < 4) {
    throw Napi::TypeError::New(info.Env(), "out is not a BigInt64Array of 4 words");
  }
  const helicorder::ClockReading reading = helicorder::ReadClocks();
  int64_t* out = value.As<Napi::BigInt64Array>().Data();
  out[0] = reading.monotonic_ns;
  out[1] = reading.boottime_ns;
  out[2] = reading.utc_ns;
  out[3] = reading.uncertainty_ns;
}

Napi::Value JsBootId(const Napi::CallbackInfo& info) {
  std::string id;
  const int error = helicorder::ReadBootId(&id);
  if (error < 0) {
    throw SystemError(info.Env(), error, "read", "/proc/sys/kernel/random/boot_id");
  }
  return Napi::String::New(info.Env(), id);
}

Napi::Value JsKernelClock(const Napi::CallbackInfo& info) {
  helicorder::KernelClock clock;
  const int error = helicorder::ReadKernelClock(&clock);
  if (error < 0) throw SystemError(info.Env(), error, "adjtimex");
  Napi::Object result = Napi::Object::New(info.Env());
  result.Set("synchronized", clock.synchronized);
  result.Set("maxErrorMicros", static_cast<double>(clock.max_error_us));
  return result;
}

Napi::Value JsAlignedOffset(const Napi::CallbackInfo& info) {
  const Napi::Uint8Array memory = Bytes(info, 0, "memory");
  const auto alignment = static_cast<size_t>(Whole(info, 1, "alignment", INT32_MAX));
  if (alignment == 0 || (alignment & (alignment - 1)) != 0) {
    throw Napi::RangeError::New(info.Env(), "alignment is not a power of two");
  }
  const size_t offset = helicorder::AlignedOffset(memory.Data(), alignment);
  return Napi::Number::New(info.Env(), static_cast<double>(offset));
}

// The descriptor is closed with the object, so also when the environment that made it is torn down.
class DurableFileObject : public Napi::ObjectWrap<DurableFileObject> {
 public:
  static void Register(Napi::Env env, Napi::Object exports) {
    exports.Set("DurableFile", DefineClass(env, "DurableFile",
                                           {InstanceMethod<&DurableFileObject::Write>("write"),
                                            InstanceMethod<&DurableFileObject::Close>("close")}));
  }

  explicit DurableFileObject(const Napi::CallbackInfo& info)
      : Napi::ObjectWrap<DurableFileObject>(info) {
    const std::string path = Path(info, 0);
    direct_ = Flag(info, 1, "direct");
    fd_ = helicorder::OpenDurable(path.c_str(), true, direct_);
    if (fd_ < 0) throw SystemError(info.Env(), fd_, "open", path);
  }

  ~DurableFileObject() override { Release(); }

 private:
  void Write(const Napi::CallbackInfo& info) {
    if (fd_ < 0) throw Napi::Error::New(info.Env(), "the file is closed");
    const Napi::Uint8Array bytes = Bytes(info, 0, "bytes");
    const auto position = static_cast<int64_t>(Whole(info, 1, "position", kSafeIntegerMax));
    const int error =
        helicorder::WriteDurable(fd_, bytes.Data(), bytes.ByteLength(), position, direct_);
    if (error < 0) throw SystemError(info.Env(), error, "write");
  }

  void Close(const Napi::CallbackInfo&) { Release(); }

  void Release() {
    if (fd_ >= 0) close(fd_);
    fd_ = -1;
  }

  int fd_ = -1;
  bool direct_ = false;
};

Napi::Value JsLockFile(const Napi::CallbackInfo& info) {
  const int result = helicorder::LockFile(Descriptor(info, 0), Flag(info, 1, "exclusive"));
  if (result < 0) throw SystemError(info.Env(), result, "fcntl");
  return Napi::Boolean::New(info.Env(), result == 1);
}

void JsUnlockFile(const Napi::CallbackInfo& info) {
  const int error = helicorder::UnlockFile(Descriptor(info, 0));
  if (error < 0) throw SystemError(info.Env(), error, "fcntl");
}

void JsDropCache(const Napi::CallbackInfo& info) {
  const int error = helicorder::DropCache(Descriptor(info, 0));
  if (error < 0) throw SystemError(info.Env(), error, "posix_fadvise");
}

Napi::Value JsFileSystemInfo(const Napi::CallbackInfo& info) {
  const std::string path = Path(info, 0);
  helicorder::FileSystemInfo facts;
  const int error = helicorder::ReadFileSystemInfo(path.c_str(), &facts);
  if (error < 0) throw SystemError(info.Env(), error, "statfs", path);
  Napi::Object result = Napi::Object::New(info.Env());
  result.Set("type", static_cast<double>(facts.type));
  result.Set("freeBytes", static_cast<double>(facts.free_bytes));
  return result;
}

// The waits of one mark on behalf of JavaScript: promises here, a thread of its own behind them
// (libuv's pool has four for all of a process, and files need them). It belongs to the thread-safe
// function, which the environment closes at its end, also of a worker that is terminated; whatever
// comes first stops the thread, so that it never calls what is gone.
class MarkWaits {
 public:
  static MarkWaits* Make(Napi::Env env, std::shared_ptr<helicorder::Mark> mark) {
    auto waits = std::unique_ptr<MarkWaits>(new MarkWaits(std::move(mark)));
    const napi_value name = Napi::String::New(env, "helicorder.mark.wait");
    if (napi_create_threadsafe_function(env, nullptr, nullptr, name, 0, 1, waits.get(), Finalize,
                                        waits.get(), Resolve, &waits->wake_) != napi_ok) {
      throw Napi::Error::New(env, "the wait cannot be made");
    }
    napi_unref_threadsafe_function(env, waits->wake_);
    return waits.release();
  }

  // `owner` is told when it is gone.
  void SetOwner(MarkWaits** owner) { owner_ = owner; }

  // `mark` is the object that is waited on: it is no garbage while somebody does.
  napi_value Add(Napi::Env env, napi_value mark, uint32_t seen, int timeout_ms) {
    napi_deferred deferred = nullptr;
    napi_value promise = nullptr;
    if (napi_create_promise(env, &deferred, &promise) != napi_ok) {
      throw Napi::Error::New(env, "the wait cannot be made");
    }
    const uint64_t id = next_id_++;
    const int error = waiter_.Add(id, seen, timeout_ms);
    if (error < 0) throw SystemError(env, error, "pthread_create");
    if (promises_.empty()) {
      napi_ref_threadsafe_function(env, wake_);
      napi_create_reference(env, mark, 1, &mark_);
    }
    promises_.emplace(id, deferred);
    return promise;
  }

  // Resolves what waits, then as Release.
  void Close(Napi::Env env) {
    waiter_.Stop();
    for (const auto& [id, deferred] : promises_) Settle(env, deferred);
    if (!promises_.empty()) Rest(env);
    promises_.clear();
    Release();
  }

  // Ends the thread and lets the function go; the object is not to be used any more.
  void Release() {
    waiter_.Stop();
    owner_ = nullptr;
    napi_release_threadsafe_function(wake_, napi_tsfn_abort);
  }

 private:
  explicit MarkWaits(std::shared_ptr<helicorder::Mark> mark)
      : waiter_(std::move(mark), [this] {
          napi_call_threadsafe_function(wake_, nullptr, napi_tsfn_nonblocking);
        }) {}

  ~MarkWaits() {
    waiter_.Stop();
    if (owner_) *owner_ = nullptr;
  }
  friend std::default_delete<MarkWaits>;

  static void Settle(napi_env env, napi_deferred deferred) {
    napi_value undefined = nullptr;
    if (napi_get_undefined(env, &undefined) == napi_ok) {
      napi_resolve_deferred(env, deferred, undefined);
    }
  }

  // On JavaScript's thread; without an environment when that ends.
  static void Resolve(napi_env env, napi_value, void* context, void*) {
    if (env == nullptr) return;
    auto* waits = static_cast<MarkWaits*>(context);
    for (const uint64_t id : waits->waiter_.TakeDone()) {
      const auto found = waits->promises_.extract(id);
      if (!found.empty()) Settle(env, found.mapped());
    }
    if (waits->promises_.empty()) waits->Rest(env);
  }

  // Nobody waits: the program may end, the mark may be collected.
  void Rest(napi_env env) {
    napi_unref_threadsafe_function(env, wake_);
    if (mark_ != nullptr) napi_delete_reference(env, std::exchange(mark_, nullptr));
  }

  static void Finalize(napi_env, void* data, void*) {
    const std::unique_ptr<MarkWaits> end(static_cast<MarkWaits*>(data));
  }

  napi_threadsafe_function wake_ = nullptr;
  napi_ref mark_ = nullptr;
  MarkWaits** owner_ = nullptr;
  std::unordered_map<uint64_t, napi_deferred> promises_;
  uint64_t next_id_ = 0;
  // last: its thread uses what is above
  helicorder::MarkWaiter waiter_;
};

class MarkObject : public Napi::ObjectWrap<MarkObject> {
 public:
  static void Register(Napi::Env env, Napi::Object exports) {
    exports.Set("Mark", DefineClass(env, "Mark",
                                    {InstanceMethod<&MarkObject::Publish>("publish"),
                                     InstanceMethod<&MarkObject::SetState>("setState"),
                                     InstanceMethod<&MarkObject::Read>("read"),
                                     InstanceMethod<&MarkObject::Wait>("wait"),
                                     InstanceMethod<&MarkObject::Close>("close")}));
  }

  explicit MarkObject(const Napi::CallbackInfo& info) : Napi::ObjectWrap<MarkObject>(info) {
    const int fd = Descriptor(info, 0);
    const int error = helicorder::Mark::Map(fd, Flag(info, 1, "writable"), &mark_);
    if (error < 0) throw SystemError(info.Env(), error, "mmap");
  }

  ~MarkObject() override {
    if (waits_ != nullptr) waits_->Release();
  }

 private:
  helicorder::Mark& Open(Napi::Env env) const {
    if (!mark_) throw Napi::Error::New(env, "the mark is closed");
    return *mark_;
  }

  helicorder::Mark& Writable(Napi::Env env) const {
    helicorder::Mark& mark = Open(env);
    if (!mark.writable()) throw Napi::TypeError::New(env, "the mark was opened for reading");
    return mark;
  }

  void Publish(const Napi::CallbackInfo& info) {
    helicorder::Mark& mark = Writable(info.Env());
    const uint64_t durable = Unsigned64(info, 0, "durable");
    mark.Publish(durable, Unsigned64(info, 1, "check"));
  }

  void SetState(const Napi::CallbackInfo& info) {
    helicorder::Mark& mark = Writable(info.Env());
    mark.SetState(static_cast<uint32_t>(Whole(info, 0, "state", UINT32_MAX)));
  }

  void Read(const Napi::CallbackInfo& info) {
    const helicorder::Mark& mark = Open(info.Env());
    const Napi::Value value = info[0];
    if (!value.IsTypedArray() ||
        value.As<Napi::TypedArray>().TypedArrayType() != napi_biguint64_array ||
        value.As<Napi::TypedArray>().ElementLength() < 4) {
      throw Napi::TypeError::New(info.Env(), "out is not a BigUint64Array of 4 words");
    }
    const helicorder::MarkValues values = mark.Read();
    uint64_t* out = value.As<Napi::BigUint64Array>().Data();
    out[0] = values.durable;
    out[1] = values.check;
    out[2] = values.word;
    out[3] = values.state;
  }

  Napi::Value Wait(const Napi::CallbackInfo& info) {
    Open(info.Env());
    const auto seen = static_cast<uint32_t>(Whole(info, 0, "seen", UINT32_MAX));
    const int timeout_ms = static_cast<int>(Whole(info, 1, "timeoutMs", kWaitMaxMs));
    if (waits_ == nullptr) {
      waits_ = MarkWaits::Make(info.Env(), mark_);
      waits_->SetOwner(&waits_);
    }
    return Napi::Value(info.Env(), waits_->Add(info.Env(), info.This(), seen, timeout_ms));
  }

  void Close(const Napi::CallbackInfo& info) {
    mark_.reset();
    if (waits_ != nullptr) std::exchange(waits_, nullptr)->Close(info.Env());
  }

  std::shared_ptr<helicorder::Mark> mark_;
  MarkWaits* waits_ = nullptr;
};

}  // namespace

void BindFiles(Napi::Env env, Napi::Object exports) {
  exports.Set("crc32c", Napi::Function::New<JsCrc32c>(env, "crc32c"));
  exports.Set("readClocks", Napi::Function::New<JsReadClocks>(env, "readClocks"));
  exports.Set("bootId", Napi::Function::New<JsBootId>(env, "bootId"));
  exports.Set("kernelClock", Napi::Function::New<JsKernelClock>(env, "kernelClock"));
  exports.Set("alignedOffset", Napi::Function::New<JsAlignedOffset>(env, "alignedOffset"));
  exports.Set("lockFile", Napi::Function::New<JsLockFile>(env, "lockFile"));
  exports.Set("unlockFile", Napi::Function::New<JsUnlockFile>(env, "unlockFile"));
  exports.Set("dropCache", Napi::Function::New<JsDropCache>(env, "dropCache"));
  exports.Set("fileSystemInfo", Napi::Function::New<JsFileSystemInfo>(env, "fileSystemInfo"));
  DurableFileObject::Register(env, exports);
  MarkObject::Register(env, exports);
}
