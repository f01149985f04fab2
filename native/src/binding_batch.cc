// Codecs and the row encoder for JavaScript: argument checks only. What it registers is declared
// and documented in native/index.ts.
#include <cerrno>
#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "batch.h"
#include "binding_arguments.h"
#include "bits.h"
#include "codecs.h"
#include "column_table.h"
#include "dense.h"
#include "times.h"

namespace {

using helicorder::BatchChannel;
using helicorder::ChannelType;
using helicorder::Cursor;

constexpr double kCodecUnit = 4294967296.0;
constexpr size_t kCursorNumbers = 4;
constexpr size_t kResultNumbers = 9;
constexpr double kMaxValues = 1 << 24;  // of a column that is made here

struct Integers {
  const int64_t* values;
  size_t count;
};

// Whole numbers in doubles become integers in `converted`; others are read where they are.
Integers IntegersArgument(const Napi::CallbackInfo& info, size_t index,
                          std::vector<int64_t>& converted) {
  if (!IsArray<Napi::Float64Array>(info[index])) {
    auto values = ArrayOf<Napi::BigInt64Array>(info[index], "values");
    return {values.Data(), values.ElementLength()};
  }
  const auto doubles = info[index].As<Napi::Float64Array>();
  converted.reserve(doubles.ElementLength());
  for (size_t i = 0; i < doubles.ElementLength(); i++) {
    const double number = doubles[i];
    if (!(std::fabs(number) <= kSafeIntegerMax) || std::trunc(number) != number) {
      throw Napi::RangeError::New(info.Env(), "a value is not a whole number below 2^53");
    }
    converted.push_back(static_cast<int64_t>(number));
  }
  return {converted.data(), converted.size()};
}

void CheckRoom(Napi::Env env, size_t bytes, size_t needed) {
  if (bytes < needed) throw Napi::RangeError::New(env, "out is too small for these values");
}

Napi::Value CodecAndLength(Napi::Env env, const helicorder::EncodedColumn& column) {
  return Napi::Number::New(
      env, static_cast<double>(column.codec) * kCodecUnit + static_cast<double>(column.bytes));
}

// [codec × 2^32 + length] = encode(values, out, at)
template <size_t (*Bound)(size_t),
          helicorder::EncodedColumn (*Encode)(const int64_t*, size_t, uint8_t*)>
Napi::Value EncodeWith(const Napi::CallbackInfo& info) {
  std::vector<int64_t> converted;
  const auto [values, count] = IntegersArgument(info, 0, converted);
  auto out = Bytes(info[1], "out");
  const size_t bytes = out.ByteLength();
  const auto at = static_cast<size_t>(Whole(info[2], "at", 0, kSafeIntegerMax));
  CheckRoom(info.Env(), at > bytes ? 0 : bytes - at, Bound(count));
  return CodecAndLength(info.Env(), Encode(values, count, out.Data() + at));
}

size_t IntegersBound(size_t count) { return helicorder::IntegersBoundBytes(count); }

Napi::Value EncodeIntegers(const Napi::CallbackInfo& info) {
  return EncodeWith<IntegersBound, helicorder::EncodeIntegers>(info);
}

Napi::Value EncodeShorter(const Napi::CallbackInfo& info) {
  return EncodeWith<helicorder::DenseBoundBytes, helicorder::EncodeShorter>(info);
}

Napi::Value EncodeDense(const Napi::CallbackInfo& info) {
  return EncodeWith<helicorder::DenseBoundBytes, helicorder::EncodeDense>(info);
}

// decode(codec, column, values)
template <typename Array, typename Value>
void DecodeWith(const Napi::CallbackInfo& info,
                int (*decode)(uint8_t, const uint8_t*, size_t, Value*, size_t)) {
  const auto codec = static_cast<uint8_t>(Whole(info[0], "codec", 0, 255));
  const auto column = Bytes(info[1], "column");
  auto values = ArrayOf<Array>(info[2], "values");
  const size_t count = values.ElementLength();
  if (decode(codec, column.Data(), column.ByteLength(), values.Data(), count) < 0) {
    throw Napi::Error::New(info.Env(), "not a column of " + std::to_string(count) + " values");
  }
}

void DecodeIntegers(const Napi::CallbackInfo& info) {
  DecodeWith<Napi::BigInt64Array>(info, helicorder::DecodeIntegers);
}

void DecodeNumbers(const Napi::CallbackInfo& info) {
  DecodeWith<Napi::Float64Array>(info, helicorder::DecodeNumbers);
}

// Where a column's values go, and whether as doubles.
void SetValues(const Napi::Value& value, helicorder::DenseColumn* column) {
  column->as_doubles = IsArray<Napi::Float64Array>(value);
  if (column->as_doubles) {
    auto values = value.As<Napi::Float64Array>();
    column->values = reinterpret_cast<int64_t*>(values.Data());
    column->count = values.ElementLength();
  } else {
    auto values = ArrayOf<Napi::BigInt64Array>(value, "values");
    column->values = values.Data();
    column->count = values.ElementLength();
  }
}

// decodeDense(codecs, columns, values)
void DecodeDense(const Napi::CallbackInfo& info) {
  const Napi::Array codecs = List(info[0], "codecs");
  const Napi::Array columns = List(info[1], "columns");
  const Napi::Array values = List(info[2], "values");
  std::vector<helicorder::DenseColumn> dense(codecs.Length());
  for (uint32_t i = 0; i < dense.size(); i++) {
    const auto bytes = Bytes(columns.Get(i), "column");
    dense[i].codec = static_cast<uint8_t>(Whole(codecs.Get(i), "codec", 0, 255));
    dense[i].bytes = bytes.Data();
    dense[i].length = bytes.ByteLength();
    SetValues(values.Get(i), &dense[i]);
  }
  if (helicorder::DecodeDense(dense.data(), dense.size()) < 0) {
    throw Napi::Error::New(info.Env(), "not columns of these values");
  }
}

// [codec × 2^32 + length] = joinColumns(rows, first, stride, channel, memory, count, out)
Napi::Value JoinColumns(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const auto rows = ArrayOf<Napi::Uint32Array>(info[0], "rows");
  const auto memory = Bytes(info[4], "memory");
  const auto numbers = static_cast<double>(rows.ElementLength());
  const auto number = [&](size_t index, const char* name, double least) {
    return static_cast<size_t>(Whole(info[index], name, least, numbers));
  };
  helicorder::ChannelColumns columns = {};
  columns.rows = rows.Data();
  columns.numbers = rows.ElementLength();
  columns.first = number(1, "first", 0);
  columns.stride = number(2, "stride", 1);
  columns.channel = number(3, "channel", 0);
  columns.memory = memory.Data();
  columns.bytes = memory.ByteLength();
  const auto count = static_cast<size_t>(Whole(info[5], "count", 0, kMaxValues));
  auto out = Bytes(info[6], "out");
  CheckRoom(env, out.ByteLength(), helicorder::DenseBoundBytes(count));
  std::vector<int64_t> values(count);
  if (!helicorder::DecodeRows(columns, values.data(), count)) {
    throw Napi::Error::New(env, "not columns of these values");
  }
  return CodecAndLength(env, helicorder::EncodeShorter(values.data(), count, out.Data()));
}

// sampleTimes(stretches, residuals, origin, period, resolution, timeNanos)
void SampleTimes(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const auto pairs = ArrayOf<Napi::Float64Array>(info[0], "stretches");
  const auto residuals = ArrayOf<Napi::BigInt64Array>(info[1], "residuals");
  const helicorder::TimeBase base = {Signed64(info[2], "origin"), Signed64(info[3], "period"),
                                     Signed64(info[4], "resolution")};
  auto nanos = ArrayOf<Napi::BigInt64Array>(info[5], "timeNanos");
  const size_t count = residuals.ElementLength();
  if (nanos.ElementLength() != count) throw Napi::RangeError::New(env, "the arrays differ");
  if (base.resolution_nanos < 1) throw Napi::RangeError::New(env, "resolution below 1");
  const size_t stretches = pairs.ElementLength() / 2;
  if (stretches == 0 || pairs[0] != 0) throw Napi::RangeError::New(env, "no stretch from 0 on");
  size_t at = 0;
  for (size_t i = 0; i < stretches; i++) {
    const double tick = pairs[2 * i + 1];
    const double end = i + 1 < stretches ? pairs[2 * i + 2] : static_cast<double>(count);
    if (!(end >= static_cast<double>(at) && end <= static_cast<double>(count))) {
      throw Napi::RangeError::New(env, "stretches are not in order");
    }
    if (!(std::abs(tick) <= kSafeIntegerMax)) throw Napi::RangeError::New(env, "no such tick");
    const size_t length = static_cast<size_t>(end) - at;
    helicorder::StretchTimes(base, static_cast<int64_t>(tick), residuals.Data() + at, length,
                             nanos.Data() + at);
    at += length;
  }
}

std::vector<BatchChannel> Channels(const Napi::Object& source, double row_bytes) {
  const Napi::Array list = List(source.Get("channels"), "channels");
  std::vector<BatchChannel> channels;
  for (uint32_t i = 0; i < list.Length(); i++) {
    const Napi::Object channel = Object(list.Get(i), "a channel");
    const auto type =
        static_cast<ChannelType>(Whole(channel.Get("type"), "type", 0, helicorder::kTypes - 1));
    const double most = row_bytes - static_cast<double>(helicorder::ValueBytes(type));
    const double offset = Whole(channel.Get("rowOffset"), "rowOffset", 0, most);
    channels.push_back({type, static_cast<uint32_t>(offset)});
  }
  return channels;
}

uint64_t Nanos(const Napi::Object& spec, const char* name, int64_t least) {
  return static_cast<uint64_t>(Signed64(spec.Get(name), name, least));
}

helicorder::RowEncoderSpec Spec(const Napi::Object& object) {
  helicorder::RowEncoderSpec spec;
  const double row_bytes = Whole(object.Get("rowBytes"), "rowBytes", 32, 1 << 24);
  const Napi::Array sources = List(object.Get("sources"), "sources");
  const double words = (sources.Length() + 63) / 64;
  if (sources.Length() == 0) throw Napi::RangeError::New(object.Env(), "sources is empty");
  spec.row_bytes = static_cast<uint32_t>(row_bytes);
  spec.validity_offset = static_cast<uint32_t>(
      Whole(object.Get("validityOffset"), "validityOffset", 0, row_bytes - 8 * words));
  spec.t0_nanos = Nanos(object, "t0Nanos", 0);
  spec.period_nanos = Nanos(object, "periodNanos", 1);
  spec.resolution_nanos = Nanos(object, "resolutionNanos", 1);
  for (uint32_t i = 0; i < sources.Length(); i++) {
    spec.sources.push_back(Channels(Object(sources.Get(i), "a source"), row_bytes));
  }
  return spec;
}

class RowEncoder : public Napi::ObjectWrap<RowEncoder> {
 public:
  static Napi::Function Define(Napi::Env env) {
    return DefineClass(env, "RowEncoder",
                       {InstanceMethod<&RowEncoder::PeekTick>("peekTick"),
                        InstanceMethod<&RowEncoder::Bound>("bound"),
                        InstanceMethod<&RowEncoder::Encode>("encode")});
  }

  explicit RowEncoder(const Napi::CallbackInfo& info) : Napi::ObjectWrap<RowEncoder>(info) {
    const Napi::Object object = Object(info[0], "spec");
    auto bytes = Bytes(object.Get("ring"), "ring");
    helicorder::RingReader ring;
    if (!ring.Attach(bytes.Data(), bytes.ByteLength())) {
      throw Napi::RangeError::New(info.Env(), "ring is not the memory of a ring");
    }
    ring_ = Napi::Persistent(bytes.As<Napi::Object>());
    encoder_ = std::make_unique<helicorder::RowEncoder>(ring, Spec(object));
    cursors_.resize(encoder_->sources());
    entries_.resize(1 + encoder_->sources());
  }

 private:
  Napi::Value PeekTick(const Napi::CallbackInfo& info) {
    const int64_t tick = encoder_->PeekTick();
    if (tick < -1) throw Napi::Error::New(info.Env(), "the ring holds a malformed record");
    return Napi::Number::New(info.Env(), static_cast<double>(tick));
  }

  Napi::Value Bound(const Napi::CallbackInfo& info) {
    const double rows = Whole(info[0], "maxRows", 1, helicorder::kRowsMax);
    const size_t bytes = BoundBytes(static_cast<size_t>(rows));
    return Napi::Number::New(info.Env(), static_cast<double>(bytes));
  }

  // Asked for twice at each drain, nearly always of as many rows.
  size_t BoundBytes(size_t rows) {
    if (rows != bound_rows_) {
      bound_ = encoder_->BoundBytes(rows);
      bound_rows_ = rows;
    }
    return bound_;
  }

  // encode(out, at, maxRows, utcOffsetNanos, cursors, entries, result)
  Napi::Value Encode(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    auto out = Bytes(info[0], "out");
    const auto at = static_cast<size_t>(Whole(info[1], "at", 0, kSafeIntegerMax));
    const auto rows = static_cast<size_t>(Whole(info[2], "maxRows", 1, helicorder::kRowsMax));
    const int64_t utc_offset = Signed64(info[3], "utcOffsetNanos");
    auto cursors = ArrayOf<Napi::Float64Array>(info[4], "cursors");
    auto entries = ArrayOf<Napi::Uint32Array>(info[5], "entries");
    auto result = ArrayOf<Napi::Float64Array>(info[6], "result");
    if (at > out.ByteLength() || out.ByteLength() - at < BoundBytes(rows)) {
      throw Napi::RangeError::New(env, "out is smaller than bound(maxRows)");
    }
    if (cursors.ElementLength() < kCursorNumbers * cursors_.size() ||
        entries.ElementLength() < 2 * entries_.size() || result.ElementLength() < kResultNumbers) {
      throw Napi::RangeError::New(env, "cursors, entries or result is too short");
    }
    LoadCursors(env, cursors);
    helicorder::Drained drained;
    const int count = encoder_->Encode(out.Data() + at, rows, utc_offset, cursors_.data(),
                                       entries_.data(), &drained);
    if (count == -EPROTO) throw Napi::Error::New(env, "ticks that are neither rows nor gaps");
    if (count < 0) throw Napi::Error::New(env, "the ring holds a malformed record");
    StoreResults(count, cursors, entries, result, drained);
    return Napi::Number::New(env, count);
  }

  void LoadCursors(Napi::Env env, Napi::Float64Array cursors) {
    for (size_t i = 0; i < kCursorNumbers * cursors_.size(); i++) {
      if (!(cursors[i] >= 0 && cursors[i] <= kSafeIntegerMax)) {
        throw Napi::RangeError::New(env, "a cursor is not a whole number in its range");
      }
    }
    for (size_t i = 0; i < cursors_.size(); i++) {
      const double* const four = cursors.Data() + kCursorNumbers * i;
      cursors_[i] = {static_cast<uint64_t>(four[0]), static_cast<uint64_t>(four[1]),
                     static_cast<uint64_t>(four[2]), static_cast<uint64_t>(four[3])};
    }
  }

  void StoreResults(int count, Napi::Float64Array cursors, Napi::Uint32Array entries,
                    Napi::Float64Array result, const helicorder::Drained& drained) {
    for (size_t i = 0; i < cursors_.size(); i++) {
      double* const four = cursors.Data() + kCursorNumbers * i;
      four[1] = static_cast<double>(cursors_[i].next_seq);
      four[2] = static_cast<double>(cursors_[i].next_offset);
      four[3] = static_cast<double>(cursors_[i].ordinal);
    }
    for (int i = 0; i < count; i++) {
      entries[2 * i] = entries_[i].bytes;
      entries[2 * i + 1] = entries_[i].crc;
    }
    double* const numbers = result.Data();
    numbers[0] = static_cast<double>(drained.bytes);
    numbers[1] = static_cast<double>(drained.rows);
    numbers[2] = static_cast<double>(drained.first_tick);
    numbers[3] = static_cast<double>(drained.ticks);
    numbers[4] = static_cast<double>(drained.first_time_nanos);
    numbers[5] = static_cast<double>(drained.last_time_nanos);
    numbers[6] = static_cast<double>(drained.first_column_value);
    numbers[7] = static_cast<double>(drained.last_column_value);
    numbers[8] = drained.more ? 1 : 0;
  }

  Napi::ObjectReference ring_;
  std::unique_ptr<helicorder::RowEncoder> encoder_;
  size_t bound_ = 0;
  size_t bound_rows_ = 0;
  std::vector<Cursor> cursors_;
  std::vector<helicorder::EntryInfo> entries_;
};

}  // namespace

void BindBatch(Napi::Env env, Napi::Object exports) {
  exports.Set("encodeIntegers", Napi::Function::New<EncodeIntegers>(env, "encodeIntegers"));
  exports.Set("encodeShorter", Napi::Function::New<EncodeShorter>(env, "encodeShorter"));
  exports.Set("encodeDense", Napi::Function::New<EncodeDense>(env, "encodeDense"));
  exports.Set("decodeIntegers", Napi::Function::New<DecodeIntegers>(env, "decodeIntegers"));
  exports.Set("decodeNumbers", Napi::Function::New<DecodeNumbers>(env, "decodeNumbers"));
  exports.Set("decodeDense", Napi::Function::New<DecodeDense>(env, "decodeDense"));
  exports.Set("joinColumns", Napi::Function::New<JoinColumns>(env, "joinColumns"));
  exports.Set("sampleTimes", Napi::Function::New<SampleTimes>(env, "sampleTimes"));
  exports.Set("RowEncoder", RowEncoder::Define(env));
}
