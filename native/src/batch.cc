#include "batch.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "bits.h"
#include "codecs.h"
#include "crc32c.h"

namespace helicorder {
namespace {

constexpr uint8_t kEntryVersion = 1;
constexpr auto kReasonDevice = static_cast<uint8_t>(GapReason::kDevice);
constexpr auto kReasonSuspended = static_cast<uint8_t>(GapReason::kSuspended);
constexpr auto kReasonMax = static_cast<uint32_t>(GapReason::kCorrupt);
// Most bytes of a times entry's and a batch entry's fixed parts, and of their repeated ones.
constexpr size_t kTimesHeadBytes = 2 + 9 * kVarintMaxBytes;
constexpr size_t kGapMaxBytes = 1 + 3 * kVarintMaxBytes;
constexpr size_t kBucketMaxBytes = 1 + kVarintMaxBytes;
constexpr size_t kBatchHeadBytes = 2 + 8 * kVarintMaxBytes;
constexpr size_t kFailedMaxBytes = 6;  // two numbers below 2^21
constexpr size_t kColumnHeadBytes = 1 + kVarintMaxBytes;

template <typename T>
T Load(const uint8_t* at) {
  T value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

unsigned BitsOf(ChannelType type) { return 8u << (type / 2); }

template <typename T>
void GatherAs(const uint8_t* const* rows, size_t count, uint32_t offset, int64_t* column) {
  for (size_t i = 0; i < count; i++) {
    column[i] = static_cast<int64_t>(Load<T>(rows[i] + offset));
  }
}

int64_t FloorDivide(int64_t value, int64_t unit) {
  const int64_t quotient = value / unit;
  return value % unit < 0 ? quotient - 1 : quotient;
}

}  // namespace

RowEncoder::RowEncoder(const RingReader& ring, RowEncoderSpec spec)
    : ring_(ring), spec_(std::move(spec)), all_valid_((spec_.sources.size() + 63) / 64) {
  gaps_.reserve(kGapsMax);
}

int64_t RowEncoder::PeekTick() const {
  const uint64_t head = ring_.Head();
  uint64_t at = ring_.Tail();
  if (at == head) return -1;
  if (at % kRecordAlignment != 0) return -EBADMSG;
  if (Load<uint16_t>(ring_.At(at) + kKindAt) == kPadding) at += Load<uint32_t>(ring_.At(at));
  if (at == head) return -1;
  if (at > head) return -EBADMSG;
  const uint64_t most = std::min(head - at, ring_.Contiguous(at));
  if (most < kRecordHeaderBytes + sizeof(uint64_t)) return -EBADMSG;
  return static_cast<int64_t>(Load<uint64_t>(ring_.At(at) + kTickAt));
}

size_t RowEncoder::BoundBytes(size_t max_rows) const {
  size_t bytes = kTimesHeadBytes + kGapsMax * kGapMaxBytes + kLatenessBuckets * kBucketMaxBytes +
                 kColumnHeadBytes + IntegersBoundBytes(max_rows);
  for (const auto& channels : spec_.sources) {
    bytes += kBatchHeadBytes + max_rows * kFailedMaxBytes;
    for (const auto& channel : channels) {
      bytes += kColumnHeadBytes + IntegersBoundBytes(max_rows, BitsOf(channel.type));
    }
  }
  return bytes;
}

void RowEncoder::Reserve(size_t max_rows) {
  if (column_.size() >= max_rows) return;
  rows_.reserve(max_rows);
  valid_rows_.reserve(max_rows);
  ticks_.reserve(max_rows);
  failed_.reserve(max_rows);
  column_.resize(max_rows);
  size_t channels_bytes = 0;
  for (const auto& channels : spec_.sources) {
    size_t bytes = 0;
    for (const auto& channel : channels) {
      bytes += IntegersBoundBytes(max_rows, BitsOf(channel.type));
    }
    channels_bytes = std::max(channels_bytes, bytes);
  }
  staging_.resize(std::max(channels_bytes, IntegersBoundBytes(max_rows)));
}

int RowEncoder::Encode(uint8_t* out, size_t max_rows, int64_t utc_offset_nanos, Cursor* cursors,
                       EntryInfo* entries, Drained* drained) {
  Reserve(max_rows);
  uint64_t tail = ring_.Tail();
  const int drain = Drain(max_rows, &tail, drained);
  if (drain < 0) return drain;
  if (rows_.empty() && gaps_.empty()) {
    ring_.Release(tail);
    return 0;
  }
  uint8_t* at = PutTimes(out, utc_offset_nanos, drained);
  entries[0] = {static_cast<uint32_t>(at - out), 0};
  for (size_t source = 0; source < sources(); source++) {
    uint8_t* const end = PutBatch(at, source, &cursors[source]);
    entries[1 + source] = {static_cast<uint32_t>(end - at), 0};
    at = end;
  }
  drained->bytes = static_cast<size_t>(at - out);
  const uint8_t* payload = out;
  for (size_t i = 0; i <= sources(); i++) {
    entries[i].crc = Crc32c(payload, entries[i].bytes, 0);
    payload += entries[i].bytes;
  }
  next_tick_ = drained->first_tick + drained->ticks;
  began_ = true;
  ring_.Release(tail);
  return static_cast<int>(1 + sources());
}

// Notes rows and gaps, in order, until enough rows or gaps are there or the ring is empty.
int RowEncoder::Drain(size_t max_rows, uint64_t* tail, Drained* drained) {
  *drained = {};
  rows_.clear();
  ticks_.clear();
  gaps_.clear();
  std::fill(all_valid_.begin(), all_valid_.end(), ~0ull);
  const uint64_t head = ring_.Head();
  if (head - *tail > ring_.capacity() || *tail % kRecordAlignment != 0) return -EBADMSG;
  while (*tail < head && rows_.size() < max_rows && gaps_.size() < kGapsMax) {
    const uint8_t* const record = ring_.At(*tail);
    const uint64_t length = Load<uint32_t>(record);
    const uint64_t most = std::min(head - *tail, ring_.Contiguous(*tail));
    if (length < kRecordHeaderBytes || length % kRecordAlignment != 0 || length > most)
      return -EBADMSG;
    const uint16_t kind = Load<uint16_t>(record + kKindAt);
    int result = 0;
    if (kind == kRow) {
      result = length == spec_.row_bytes ? TakeRow(record, drained) : -EBADMSG;
    } else if (kind == kGap) {
      result = length == kGapBytes ? TakeGap(record, drained) : -EBADMSG;
    } else if (kind != kPadding) {
      result = -EBADMSG;
    }
    if (result < 0) return result;
    *tail += length;
  }
  drained->rows = rows_.size();
  if (!rows_.empty()) {
    drained->first_time_nanos = Load<int64_t>(rows_.front() + kTimeAt);
    drained->last_time_nanos = Load<int64_t>(rows_.back() + kTimeAt);
  }
  return 0;
}

// Is this the tick that follows everything drained so far, in this call and before?
bool RowEncoder::Expect(uint64_t tick, Drained* drained) {
  const bool first = rows_.empty() && gaps_.empty();
  if (first) drained->first_tick = tick;
  if (first && !began_) return true;
  return tick == (first ? next_tick_ : drained->first_tick + drained->ticks);
}

int RowEncoder::TakeRow(const uint8_t* record, Drained* drained) {
  const uint64_t tick = Load<uint64_t>(record + kTickAt);
  if (!Expect(tick, drained)) return -EPROTO;
  for (size_t word = 0; word < all_valid_.size(); word++) {
    all_valid_[word] &= Load<uint64_t>(record + spec_.validity_offset + 8 * word);
  }
  rows_.push_back(record);
  ticks_.push_back(tick);
  drained->ticks++;
  return 0;
}

int RowEncoder::TakeGap(const uint8_t* record, Drained* drained) {
  if (!Expect(Load<uint64_t>(record + kTickAt), drained)) return -EPROTO;
  const uint64_t ticks = Load<uint64_t>(record + kGapTicksAt);
  const uint32_t reason = Load<uint32_t>(record + kGapReasonAt);
  if (reason < 1 || reason > kReasonMax || ticks >> 53 != 0) return -EBADMSG;
  const uint64_t nanos = Load<uint64_t>(record + kGapNanosAt);
  gaps_.push_back({rows_.size(), ticks, nanos, static_cast<uint8_t>(reason)});
  drained->ticks += ticks;
  return 0;
}

// Fills `column_` with the time column and counts the rows' lateness.
void RowEncoder::NoteTimes(uint64_t histogram[kLatenessBuckets]) {
  const uint64_t resolution = spec_.resolution_nanos;
  for (size_t i = 0; i < rows_.size(); i++) {
    const uint64_t due = spec_.t0_nanos + ticks_[i] * spec_.period_nanos;
    const auto lateness = static_cast<int64_t>(Load<uint64_t>(rows_[i] + kTimeAt) - due);
    histogram[lateness <= 0 ? 0 : std::bit_width(static_cast<uint64_t>(lateness))]++;
    column_[i] =
        resolution == 1 ? lateness : FloorDivide(lateness, static_cast<int64_t>(resolution));
  }
}

uint8_t* RowEncoder::PutTimes(uint8_t* out, int64_t utc_offset_nanos, Drained* drained) {
  uint64_t histogram[kLatenessBuckets] = {};
  NoteTimes(histogram);
  if (!rows_.empty()) {
    drained->first_column_value = column_[0];
    drained->last_column_value = column_[rows_.size() - 1];
  }
  *out++ = 'T';
  *out++ = kEntryVersion;
  out = PutVarint(out, spec_.t0_nanos);
  out = PutVarint(out, spec_.period_nanos);
  out = PutVarint(out, spec_.resolution_nanos);
  out = PutSvarint(out, utc_offset_nanos);
  out = PutVarint(out, drained->first_tick);
  out = PutVarint(out, drained->ticks);
  out = PutVarint(out, rows_.size());
  out = PutVarint(out, gaps_.size());
  uint64_t row = 0;
  for (const Gap& gap : gaps_) {
    out = PutVarint(out, gap.rows_before - row);
    row = gap.rows_before;
    *out++ = gap.reason;
    out = PutVarint(out, gap.ticks);
    if (gap.reason == kReasonSuspended) out = PutVarint(out, gap.nanos);
  }
  out = PutVarint(out, kLatenessBuckets - std::count(histogram, histogram + kLatenessBuckets, 0u));
  for (size_t bucket = 0; bucket < kLatenessBuckets; bucket++) {
    if (histogram[bucket] == 0) continue;
    *out++ = static_cast<uint8_t>(bucket);
    out = PutVarint(out, histogram[bucket]);
  }
  const EncodedColumn time = EncodeIntegers(column_.data(), rows_.size(), staging_.data());
  *out++ = time.codec;
  out = PutVarint(out, time.bytes);
  std::memcpy(out, staging_.data(), time.bytes);
  return out + time.bytes;
}

// Fills `failed_` and `valid_rows_`. A range ends at a gap: that is a record of its own.
void RowEncoder::FindFailed(size_t source) {
  failed_.clear();
  valid_rows_.clear();
  const size_t word_at = spec_.validity_offset + source / 64 * 8;
  size_t gap = 0;
  for (size_t row = 0; row < rows_.size(); row++) {
    bool after_gap = false;
    for (; gap < gaps_.size() && gaps_[gap].rows_before <= row; gap++) after_gap = true;
    if (Load<uint64_t>(rows_[row] + word_at) >> (source % 64) & 1) {
      valid_rows_.push_back(rows_[row]);
    } else if (!after_gap && !failed_.empty() &&
               failed_.back().first_row + failed_.back().rows == row) {
      failed_.back().rows++;
    } else {
      failed_.push_back({static_cast<uint32_t>(row), 1});
    }
  }
}

uint8_t* RowEncoder::PutBatch(uint8_t* out, size_t source, Cursor* cursor) {
  const bool whole = all_valid_[source / 64] >> (source % 64) & 1;
  if (whole) {
    failed_.clear();
  } else {
    FindFailed(source);
  }
  const auto& rows = whole ? rows_ : valid_rows_;
  *out++ = 'B';
  *out++ = kEntryVersion;
  out = PutVarint(out, 1 + source);
  out = PutVarint(out, cursor->run);
  out = PutVarint(out, cursor->next_seq);
  out = PutVarint(out, cursor->next_offset);
  out = PutVarint(out, cursor->ordinal);
  out = PutVarint(out, rows.size());
  out = PutVarint(out, failed_.size());
  uint32_t row = 0;
  for (const FailedRange& range : failed_) {
    out = PutVarint(out, range.first_row - row);
    out = PutVarint(out, range.rows);
    row = range.first_row + range.rows;
  }
  const auto& channels = spec_.sources[source];
  out = PutVarint(out, channels.size());
  uint8_t* staged = staging_.data();
  for (const BatchChannel& channel : channels) {
    Gather(channel, rows.data(), rows.size());
    const EncodedColumn column = EncodeIntegers(column_.data(), rows.size(), staged);
    *out++ = column.codec;
    out = PutVarint(out, column.bytes);
    staged += column.bytes;
  }
  const auto bytes = static_cast<size_t>(staged - staging_.data());
  std::memcpy(out, staging_.data(), bytes);
  const uint64_t records = rows.size() + gaps_.size() + failed_.size();
  cursor->next_seq += records;
  cursor->next_offset += records;
  cursor->ordinal += rows.size();
  return out + bytes;
}

void RowEncoder::Gather(const BatchChannel& channel, const uint8_t* const* rows, size_t count) {
  int64_t* const column = column_.data();
  const uint32_t at = channel.row_offset;
  switch (channel.type) {
    case kI8:
      return GatherAs<int8_t>(rows, count, at, column);
    case kU8:
      return GatherAs<uint8_t>(rows, count, at, column);
    case kI16:
      return GatherAs<int16_t>(rows, count, at, column);
    case kU16:
      return GatherAs<uint16_t>(rows, count, at, column);
    case kI32:
      return GatherAs<int32_t>(rows, count, at, column);
    case kU32:
      return GatherAs<uint32_t>(rows, count, at, column);
    default:
      return GatherAs<int64_t>(rows, count, at, column);
  }
}

}  // namespace helicorder
