// The mark for JavaScript: argument checks, and promises for those who wait on it. What it
// registers is declared and documented in native/index.ts.
#include <unistd.h>

#include <memory>
#include <unordered_map>
#include <utility>

#include "binding_arguments.h"
#include "mark.h"
#include "mark_waiter.h"

namespace {

constexpr int kWaitMaxMs = 1000;

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
      : waiter_(std::move(mark),
                [this] { napi_call_threadsafe_function(wake_, nullptr, napi_tsfn_nonblocking); }) {}

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
    const int fd = Descriptor(info[0]);
    const int error = helicorder::Mark::Map(fd, Flag(info[1], "writable"), &mark_);
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
    const uint64_t durable = Unsigned64(info[0], "durable");
    mark.Publish(durable, Unsigned64(info[1], "check"));
  }

  void SetState(const Napi::CallbackInfo& info) {
    helicorder::Mark& mark = Writable(info.Env());
    mark.SetState(static_cast<uint32_t>(Whole(info[0], "state", 0, UINT32_MAX)));
  }

  void Read(const Napi::CallbackInfo& info) {
    const helicorder::Mark& mark = Open(info.Env());
    auto words = ArrayOf<Napi::BigUint64Array>(info[0], "out", 4);
    const helicorder::MarkValues values = mark.Read();
    uint64_t* const out = words.Data();
    out[0] = values.durable;
    out[1] = values.check;
    out[2] = values.word;
    out[3] = values.state;
  }

  Napi::Value Wait(const Napi::CallbackInfo& info) {
    Open(info.Env());
    const auto seen = static_cast<uint32_t>(Whole(info[0], "seen", 0, UINT32_MAX));
    const int timeout_ms = static_cast<int>(Whole(info[1], "timeoutMs", 0, kWaitMaxMs));
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

void BindMark(Napi::Env env, Napi::Object exports) { MarkObject::Register(env, exports); }
