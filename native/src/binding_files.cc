// Checksums, clocks, durable files and locks for JavaScript: argument checks only. What it
// registers is declared and documented in native/index.ts.
#include <unistd.h>

#include <cerrno>
#include <memory>

#include "binding_arguments.h"
#include "clock.h"
#include "crc32c.h"
#include "direct_file.h"
#include "file_lock.h"
#include "read_ahead.h"

namespace {

Napi::Value JsCrc32c(const Napi::CallbackInfo& info) {
  const Napi::Uint8Array bytes = Bytes(info[0], "bytes");
  uint32_t seed = 0;
  if (!info[1].IsUndefined()) seed = static_cast<uint32_t>(Whole(info[1], "seed", 0, UINT32_MAX));
  return Napi::Number::New(info.Env(), Crc32c(bytes.Data(), bytes.ByteLength(), seed));
}

void JsReadClocks(const Napi::CallbackInfo& info) {
  auto words = ArrayOf<Napi::BigInt64Array>(info[0], "out", 4);
  const helicorder::ClockReading reading = helicorder::ReadClocks();
  int64_t* const out = words.Data();
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

Napi::Value JsAlignedMemory(const Napi::CallbackInfo& info) {
  const auto length = static_cast<size_t>(Whole(info[0], "bytes", 1, INT32_MAX));
  auto memory = std::make_unique<helicorder::AlignedMemory>(length);
  if (memory->data() == nullptr) throw SystemError(info.Env(), -ENOMEM, "mmap");
  auto* const held = memory.release();
  return Napi::ArrayBuffer::New(
      info.Env(), held->data(), length,
      [](Napi::Env, void*, helicorder::AlignedMemory* freed) { delete freed; }, held);
}

// The descriptor is closed with the object, so also when the environment that made it is torn down.
class DurableFileObject : public Napi::ObjectWrap<DurableFileObject> {
 public:
  static void Register(Napi::Env env, Napi::Object exports) {
    exports.Set("DurableFile",
                DefineClass(env, "DurableFile",
                            {InstanceMethod<&DurableFileObject::Write>("write"),
                             InstanceMethod<&DurableFileObject::IsWriting>("isWriting"),
                             InstanceMethod<&DurableFileObject::Close>("close")}));
  }

  explicit DurableFileObject(const Napi::CallbackInfo& info)
      : Napi::ObjectWrap<DurableFileObject>(info) {
    const std::string path = Path(info[0]);
    direct_ = Flag(info[1], "direct");
    fd_ = helicorder::OpenDurable(path.c_str(), true, direct_);
    if (fd_ < 0) throw SystemError(info.Env(), fd_, "open", path);
  }

  ~DurableFileObject() override { Release(); }

 private:
  void Write(const Napi::CallbackInfo& info) {
    if (fd_ < 0) throw Napi::Error::New(info.Env(), "the file is closed");
    if (write_ != nullptr) throw Napi::Error::New(info.Env(), "a write is under way");
    const Napi::Uint8Array bytes = Bytes(info[0], "bytes");
    const auto position = static_cast<int64_t>(Whole(info[1], "position", 0, kSafeIntegerMax));
    const int error =
        info[2].IsUndefined()
            ? helicorder::WriteDurable(fd_, bytes.Data(), bytes.ByteLength(), position, direct_)
            : WriteWhile(bytes, position, Function(info[2], "meanwhile"));
    if (error < 0) throw SystemError(info.Env(), error, "write");
  }

  int WriteWhile(const Napi::Uint8Array& bytes, int64_t position, const Napi::Function& meanwhile) {
    helicorder::WriteInBackground write;
    if (write.Start(fd_, bytes.Data(), bytes.ByteLength(), position, direct_) < 0) {
      // no thread for it now (a limit of threads or memory): the disk is not to blame
      return helicorder::WriteDurable(fd_, bytes.Data(), bytes.ByteLength(), position, direct_);
    }
    write_ = &write;
    try {
      meanwhile.Call({});
    } catch (...) {
      write_ = nullptr;
      write.Finish();
      throw;
    }
    write_ = nullptr;
    return write.Finish();
  }

  Napi::Value IsWriting(const Napi::CallbackInfo& info) {
    return Napi::Boolean::New(info.Env(), write_ != nullptr && !write_->IsDone());
  }

  void Close(const Napi::CallbackInfo& info) {
    if (write_ != nullptr) throw Napi::Error::New(info.Env(), "a write is under way");
    Release();
  }

  void Release() {
    if (fd_ >= 0) close(fd_);
    fd_ = -1;
  }

  int fd_ = -1;
  bool direct_ = false;
  // the one that is under way
  helicorder::WriteInBackground* write_ = nullptr;
};

// What is under way ends with the object.
class ReadAheadObject : public Napi::ObjectWrap<ReadAheadObject> {
 public:
  static void Register(Napi::Env env, Napi::Object exports) {
    exports.Set("ReadAhead", DefineClass(env, "ReadAhead",
                                         {InstanceMethod<&ReadAheadObject::Read>("read"),
                                          InstanceMethod<&ReadAheadObject::Close>("close")}));
  }

  explicit ReadAheadObject(const Napi::CallbackInfo& info)
      : Napi::ObjectWrap<ReadAheadObject>(info) {
    const int fd = Descriptor(info[0]);
    const auto position = static_cast<int64_t>(Whole(info[1], "position", 0, kSafeIntegerMax));
    const auto end = static_cast<int64_t>(Whole(info[2], "end", 0, kSafeIntegerMax));
    ahead_ = std::make_unique<helicorder::ReadAhead>();
    // where it cannot, there is nothing to give
    if (ahead_->Start(fd, position, end) < 0) ahead_.reset();
  }

 private:
  Napi::Value Read(const Napi::CallbackInfo& info) {
    Napi::Uint8Array into = Bytes(info[0], "into");
    const auto position = static_cast<int64_t>(Whole(info[1], "position", 0, kSafeIntegerMax));
    const size_t count = ahead_ ? ahead_->Read(into.Data(), into.ByteLength(), position) : 0;
    return Napi::Number::New(info.Env(), static_cast<double>(count));
  }

  void Close(const Napi::CallbackInfo&) { ahead_.reset(); }

  std::unique_ptr<helicorder::ReadAhead> ahead_;
};

Napi::Value JsLockFile(const Napi::CallbackInfo& info) {
  const int result = helicorder::LockFile(Descriptor(info[0]), Flag(info[1], "exclusive"));
  if (result < 0) throw SystemError(info.Env(), result, "fcntl");
  return Napi::Boolean::New(info.Env(), result == 1);
}

void JsUnlockFile(const Napi::CallbackInfo& info) {
  const int error = helicorder::UnlockFile(Descriptor(info[0]));
  if (error < 0) throw SystemError(info.Env(), error, "fcntl");
}

void JsDropCache(const Napi::CallbackInfo& info) {
  const int error = helicorder::DropCache(Descriptor(info[0]));
  if (error < 0) throw SystemError(info.Env(), error, "posix_fadvise");
}

Napi::Value JsFileSystemInfo(const Napi::CallbackInfo& info) {
  const std::string path = Path(info[0]);
  helicorder::FileSystemInfo facts;
  const int error = helicorder::ReadFileSystemInfo(path.c_str(), &facts);
  if (error < 0) throw SystemError(info.Env(), error, "statfs", path);
  Napi::Object result = Napi::Object::New(info.Env());
  result.Set("type", static_cast<double>(facts.type));
  result.Set("freeBytes", static_cast<double>(facts.free_bytes));
  return result;
}

}  // namespace

void BindFiles(Napi::Env env, Napi::Object exports) {
  exports.Set("crc32c", Napi::Function::New<JsCrc32c>(env, "crc32c"));
  exports.Set("readClocks", Napi::Function::New<JsReadClocks>(env, "readClocks"));
  exports.Set("bootId", Napi::Function::New<JsBootId>(env, "bootId"));
  exports.Set("kernelClock", Napi::Function::New<JsKernelClock>(env, "kernelClock"));
  exports.Set("alignedMemory", Napi::Function::New<JsAlignedMemory>(env, "alignedMemory"));
  exports.Set("lockFile", Napi::Function::New<JsLockFile>(env, "lockFile"));
  exports.Set("unlockFile", Napi::Function::New<JsUnlockFile>(env, "unlockFile"));
  exports.Set("dropCache", Napi::Function::New<JsDropCache>(env, "dropCache"));
  exports.Set("fileSystemInfo", Napi::Function::New<JsFileSystemInfo>(env, "fileSystemInfo"));
  DurableFileObject::Register(env, exports);
  ReadAheadObject::Register(env, exports);
}
