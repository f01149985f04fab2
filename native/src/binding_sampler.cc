// The sampler for JavaScript: argument checks only. Declared and documented in native/index.ts.
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "binding_arguments.h"
#include "network_reader.h"
#include "sampler.h"
#include "synthetic.h"

namespace {

using helicorder::RowChannel;

constexpr size_t kTypeWidths[] = {1, 1, 2, 2, 4, 4, 8, 8, 4, 8};
constexpr uint32_t kTypeI16 = 2;
constexpr uint32_t kTypeU64 = 7;

// A sampler writes these channels for ever: each must lie in the row, aligned, with the one type
// that its source produces.
std::vector<RowChannel> Channels(Napi::Env env, const Napi::Object& source, uint32_t type,
                                 const helicorder::SamplerOptions& options) {
  const Napi::Array list = List(source.Get("channels"), "channels");
  std::vector<RowChannel> channels;
  const size_t width = kTypeWidths[type];
  for (uint32_t i = 0; i < list.Length(); i++) {
    const Napi::Object channel = Object(list.Get(i), "a channel");
    Whole(channel.Get("type"), "type of a channel", type, type);
    const double least = static_cast<double>(options.validity_offset);
    const double most = static_cast<double>(options.row_bytes - width);
    const double offset = Whole(channel.Get("rowOffset"), "rowOffset", least, most);
    const auto row_offset = static_cast<uint32_t>(offset);
    if (row_offset % width != 0) throw Napi::RangeError::New(env, "rowOffset is not aligned");
    channels.push_back({type, row_offset});
  }
  return channels;
}

std::unique_ptr<helicorder::Source> MakeSource(Napi::Env env, const Napi::Value& value,
                                               const helicorder::SamplerOptions& options) {
  const Napi::Object source = Object(value, "a source");
  const std::string kind = Text(source.Get("kind"), "kind");
  if (kind == "synthetic") {
    const double seed = Whole(source.Get("seed"), "seed", 0, kSafeIntegerMax);
    return std::make_unique<helicorder::Synthetic>(static_cast<uint64_t>(seed),
                                                   Channels(env, source, kTypeI16, options));
  }
  if (kind != "network") throw Napi::RangeError::New(env, "kind of source is unknown: " + kind);
  const Napi::Array list = List(source.Get("counters"), "counters");
  std::vector<uint32_t> counters;
  for (uint32_t i = 0; i < list.Length(); i++) {
    const double most = helicorder::kNetworkCounters - 1;
    counters.push_back(static_cast<uint32_t>(Whole(list.Get(i), "counter", 0, most)));
  }
  std::vector<RowChannel> channels = Channels(env, source, kTypeU64, options);
  if (channels.size() != counters.size()) {
    throw Napi::RangeError::New(env, "counters and channels differ in number");
  }
  return std::make_unique<helicorder::NetworkReader>(
      Text(source.Get("interfaceName"), "interfaceName"),
      Text(source.Get("sysfsRoot"), "sysfsRoot"), std::move(counters), std::move(channels));
}

helicorder::Realtime RealtimeOf(Napi::Env env, const Napi::Value& value) {
  const std::string name = Text(value, "realtime");
  if (name == "auto") return helicorder::Realtime::kAuto;
  if (name == "off") return helicorder::Realtime::kOff;
  if (name == "require") return helicorder::Realtime::kRequire;
  throw Napi::RangeError::New(env, "realtime is none of auto, off, require");
}

const char* RungName(helicorder::Rung rung) {
  if (rung == helicorder::Rung::kFifoPinned) return "fifo+pinned";
  return rung == helicorder::Rung::kFifo ? "fifo" : "other";
}

class SamplerObject : public Napi::ObjectWrap<SamplerObject> {
 public:
  explicit SamplerObject(const Napi::CallbackInfo& info) : ObjectWrap(info) {
    const Napi::Env env = info.Env();
    const Napi::Object spec = Object(info[0], "spec");
    helicorder::SamplerOptions options = Options(env, spec);
    const Napi::Array list = List(spec.Get("sources"), "sources");
    const size_t room = options.row_bytes - options.validity_offset;
    if ((list.Length() + 63) / 64 * 8 > room) {
      throw Napi::RangeError::New(env, "the row has no room for the validity of its sources");
    }
    std::vector<std::unique_ptr<helicorder::Source>> sources;
    for (uint32_t i = 0; i < list.Length(); i++) {
      sources.push_back(MakeSource(env, list[i], options));
    }
    sampler_ = std::make_unique<helicorder::Sampler>(options, std::move(sources));
    // The thread writes to both until it is joined, which the destructor does before these go.
    ring_ = Napi::Persistent(spec.Get("ring").As<Napi::Object>());
    status_ = Napi::Persistent(spec.Get("status").As<Napi::Object>());
  }

  // Also at the end of the environment: worker.terminate() finalizes what it made.
  ~SamplerObject() override { sampler_.reset(); }

  void Start(const Napi::CallbackInfo& info) {
    const int result = sampler_->Start();
    if (result == 0) {
      Ref();  // a running sampler is not garbage
      referenced_ = true;
      return;
    }
    const char* const call = result == -EPERM ? "sched_setscheduler" : "pthread_create";
    throw SystemError(info.Env(), result, call);
  }

  void Stop(const Napi::CallbackInfo&) {
    sampler_->Stop();
    if (referenced_) Unref();
    referenced_ = false;
  }

  Napi::Value Report(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    const helicorder::SchedulingReport& report = sampler_->report();
    const Napi::Array refused = Napi::Array::New(env);
    for (size_t i = 0; i < report.refused.size(); i++) {
      refused.Set(static_cast<uint32_t>(i), report.refused[i]);
    }
    const Napi::Object object = Napi::Object::New(env);
    object.Set("rung", RungName(report.rung));
    object.Set("pinnedCpu", report.pinned_cpu);
    object.Set("memoryLocked", report.memory_locked);
    object.Set("timerSlackNanos", static_cast<double>(report.timer_slack_nanos));
    object.Set("refused", refused);
    return object;
  }

 private:
  static helicorder::SamplerOptions Options(Napi::Env env, const Napi::Object& spec) {
    auto ring = Bytes(spec.Get("ring"), "ring");
    const size_t words = helicorder::SamplerStatus::kWords;
    auto status = ArrayOf<Napi::BigUint64Array>(spec.Get("status"), "status", words);
    helicorder::SamplerOptions options;
    options.ring = ring.Data();
    options.ring_bytes = ring.ByteLength();
    options.status = status.Data();
    helicorder::RingProducer probe;
    if (!probe.Attach(options.ring, options.ring_bytes)) {
      throw Napi::RangeError::New(env, "ring is not a ring of this version");
    }
    const double capacity = static_cast<double>(probe.capacity());
    const double most = capacity / 4;
    options.row_bytes = static_cast<size_t>(Whole(spec.Get("rowBytes"), "rowBytes", 32, most));
    const double row_bytes = static_cast<double>(options.row_bytes);
    options.validity_offset =
        static_cast<size_t>(Whole(spec.Get("validityOffset"), "validityOffset", 24, row_bytes - 8));
    if (options.row_bytes % 8 != 0)
      throw Napi::RangeError::New(env, "rowBytes is no multiple of 8");
    options.t0_nanos = Signed64(spec.Get("t0Nanos"), "t0Nanos", 0);
    options.period_nanos = Signed64(spec.Get("periodNanos"), "periodNanos", 1);
    options.realtime = RealtimeOf(env, spec.Get("realtime"));
    options.priority = static_cast<int>(Whole(spec.Get("priority"), "priority", 1, 99));
    options.cpu = static_cast<int>(Whole(spec.Get("cpu"), "cpu", -1, 1023));
    const Napi::Value spin = spec.Get("spinNanos");
    const double longest = static_cast<double>((options.period_nanos - 1) / 2);
    if (!spin.IsUndefined())
      options.spin_nanos = static_cast<int64_t>(Whole(spin, "spinNanos", 0, longest));
    options.saturate = spec.Get("saturate").ToBoolean().Value();
    return options;
  }

  // Before the references: the sampler is destroyed, and so joined, while they still hold.
  Napi::ObjectReference ring_;
  Napi::ObjectReference status_;
  std::unique_ptr<helicorder::Sampler> sampler_;
  bool referenced_ = false;
};

void JsEndProcess(const Napi::CallbackInfo& info) {
  _exit(static_cast<int>(Whole(info[0], "code", 0, 255)));
}

}  // namespace

void BindSampler(Napi::Env env, Napi::Object exports) {
  exports.Set("Sampler", SamplerObject::DefineClass(
                             env, "Sampler",
                             {SamplerObject::InstanceMethod("start", &SamplerObject::Start),
                              SamplerObject::InstanceMethod("stop", &SamplerObject::Stop),
                              SamplerObject::InstanceMethod("report", &SamplerObject::Report)}));
  exports.Set("endProcess", Napi::Function::New<JsEndProcess>(env, "endProcess"));
}
