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
// Rows of a run: 5 KiB of one source with three channels.
constexpr size_t kRunRows = 128;
constexpr size_t kColumnHeadBytes = 1 + kVarintMaxBytes;

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
      bytes += kColumnHeadBytes + ColumnBoundBytes(channel.type, max_rows);
    }
  }
  return bytes;
}

void RowEncoder::Reserve(size_t max_rows) {
  if (times_.size() >= max_rows) return;
  times_.resize(max_rows);
  // a run ends at a gap, at the ring's end, and when it is long
  runs_.reserve(max_rows / kRunRows + kGapsMax + 2);
  valid_runs_.reserve(max_rows);
  failed_.reserve(max_rows);
  size_t columns_bytes = 0;
  size_t encoded_bytes = IntegersBoundBytes(max_rows);
  for (const auto& channels : spec_.sources) {
    size_t columns = 0;
    size_t encoded = 0;
    for (const auto& channel : channels) {
      columns += ColumnBytes(channel.type, max_rows + 1);
      if (IsFloat(channel.type)) integers_.resize(max_rows);
      encoded += ColumnBoundBytes(channel.type, max_rows);
    }
    columns_bytes = std::max(columns_bytes, columns);
    encoded_bytes = std::max(encoded_bytes, encoded);
  }
  columns_.resize(columns_bytes);
  staging_.resize(encoded_bytes);
}

int RowEncoder::Encode(uint8_t* out, size_t max_rows, int64_t utc_offset_nanos, Cursor* cursors,
                       EntryInfo* entries, Drained* drained) {
  Reserve(max_rows);
  uint64_t tail = ring_.Tail();
  const int drain = Drain(max_rows, &tail, drained);
  if (drain < 0) return drain;
  if (rows_ == 0 && gaps_.empty()) {
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
  runs_.clear();
  rows_ = 0;
  gaps_.clear();
  std::fill(all_valid_.begin(), all_valid_.end(), ~0ull);
  const uint64_t head = ring_.Head();
  if (head - *tail > ring_.capacity() || *tail % kRecordAlignment != 0) return -EBADMSG;
  while (*tail < head && rows_ < max_rows && gaps_.size() < kGapsMax) {
    const uint8_t* const record = ring_.At(*tail);
    const uint64_t length = Load<uint32_t>(record);
    const uint64_t most = std::min(head - *tail, ring_.Contiguous(*tail));
    if (length < kRecordHeaderBytes || length % kRecordAlignment != 0 || length > most)
      return -EBADMSG;
    const uint16_t kind = Load<uint16_t>(record + kKindAt);
    if (kind == kRow) {
      if (length != spec_.row_bytes) return -EBADMSG;
      const size_t rows = TakeRows(record, std::min(max_rows - rows_, most / length), drained);
      if (rows == 0) return -EPROTO;
      *tail += rows * length;
      continue;
    }
    if (kind != kGap && kind != kPadding) return -EBADMSG;
    if (kind == kGap) {
      const int result = length == kGapBytes ? TakeGap(record, drained) : -EBADMSG;
      if (result < 0) return result;
    }
    *tail += length;
  }
  drained->rows = rows_;
  drained->more = *tail < head;
  if (rows_ > 0) {
    const Run& last = runs_.back();
    drained->first_time_nanos = Load<int64_t>(runs_.front().first + kTimeAt);
    drained->last_time_nanos =
        Load<int64_t>(last.first + (last.rows - 1) * spec_.row_bytes + kTimeAt);
  }
  return 0;
}

// Is this the tick that follows everything drained so far, in this call and before?
bool RowEncoder::Expect(uint64_t tick, Drained* drained) {
  const bool first = rows_ == 0 && gaps_.empty();
  if (first) drained->first_tick = tick;
  if (first && !began_) return true;
  return tick == (first ? next_tick_ : drained->first_tick + drained->ticks);
}

// Takes the row at `record` and those behind it, of `max_rows` at most. 0 if it is not its turn.
size_t RowEncoder::TakeRows(const uint8_t* record, size_t max_rows, Drained* drained) {
  const uint64_t tick = Load<uint64_t>(record + kTickAt);
  if (!Expect(tick, drained)) return 0;
  const size_t stride = spec_.row_bytes;
  const uint64_t header = Load<uint64_t>(record);
  size_t rows = 1;
  for (const size_t most = std::min(max_rows, kRunRows); rows < most; rows++) {
    const uint8_t* const next = record + rows * stride;
    if (Load<uint64_t>(next) != header || Load<uint64_t>(next + kTickAt) != tick + rows) break;
  }
  const uint64_t due = spec_.t0_nanos + tick * spec_.period_nanos;
  for (size_t i = 0; i < rows; i++) {
    const auto time = Load<uint64_t>(record + i * stride + kTimeAt);
    times_[rows_ + i] = static_cast<int64_t>(time - due - i * spec_.period_nanos);
  }
  for (size_t word = 0; word < all_valid_.size(); word++) {
    uint64_t valid = ~0ull;
    const uint8_t* const at = record + spec_.validity_offset + 8 * word;
    for (size_t i = 0; i < rows; i++) valid &= Load<uint64_t>(at + i * stride);
    all_valid_[word] &= valid;
  }
  runs_.push_back({record, rows});
  rows_ += rows;
  drained->ticks += rows;
  return rows;
}

int RowEncoder::TakeGap(const uint8_t* record, Drained* drained) {
  if (!Expect(Load<uint64_t>(record + kTickAt), drained)) return -EPROTO;
  const uint64_t ticks = Load<uint64_t>(record + kGapTicksAt);
  const uint32_t reason = Load<uint32_t>(record + kGapReasonAt);
  if (reason < 1 || reason > kReasonMax || ticks >> 53 != 0) return -EBADMSG;
  const uint64_t nanos = Load<uint64_t>(record + kGapNanosAt);
  gaps_.push_back({rows_, ticks, nanos, static_cast<uint8_t>(reason)});
  drained->ticks += ticks;
  return 0;
}

// Counts the rows' lateness and rounds it to the resolution.
void RowEncoder::NoteTimes(uint64_t histogram[kLatenessBuckets]) {
  const auto resolution = static_cast<int64_t>(spec_.resolution_nanos);
  for (size_t i = 0; i < rows_; i++) {
    const int64_t lateness = times_[i];
    histogram[lateness <= 0 ? 0 : std::bit_width(static_cast<uint64_t>(lateness))]++;
  }
  if (resolution == 1) return;
  for (size_t i = 0; i < rows_; i++) times_[i] = FloorDivide(times_[i], resolution);
}

uint8_t* RowEncoder::PutTimes(uint8_t* out, int64_t utc_offset_nanos, Drained* drained) {
  uint64_t histogram[kLatenessBuckets] = {};
  NoteTimes(histogram);
  if (rows_ > 0) {
    drained->first_column_value = times_[0];
    drained->last_column_value = times_[rows_ - 1];
  }
  *out++ = 'T';
  *out++ = kEntryVersion;
  out = PutVarint(out, spec_.t0_nanos);
  out = PutVarint(out, spec_.period_nanos);
  out = PutVarint(out, spec_.resolution_nanos);
  out = PutSvarint(out, utc_offset_nanos);
  out = PutVarint(out, drained->first_tick);
  out = PutVarint(out, drained->ticks);
  out = PutVarint(out, rows_);
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
  const EncodedColumn time = EncodeIntegers(times_.data(), rows_, staging_.data());
  *out++ = time.codec;
  out = PutVarint(out, time.bytes);
  std::memcpy(out, staging_.data(), time.bytes);
  return out + time.bytes;
}

// Fills `failed_` and `valid_runs_`. A range ends at a gap: that is a record of its own.
void RowEncoder::FindFailed(size_t source) {
  failed_.clear();
  valid_runs_.clear();
  valid_rows_ = 0;
  const size_t word_at = spec_.validity_offset + source / 64 * 8;
  size_t gap = 0;
  uint32_t row = 0;
  for (const Run& run : runs_) {
    bool extends = false;
    for (size_t i = 0; i < run.rows; i++, row++) {
      bool after_gap = false;
      for (; gap < gaps_.size() && gaps_[gap].rows_before <= row; gap++) after_gap = true;
      const uint8_t* const at = run.first + i * spec_.row_bytes;
      const bool is_valid = Load<uint64_t>(at + word_at) >> (source % 64) & 1;
      if (is_valid) {
        if (!extends) valid_runs_.push_back({at, 0});
        valid_runs_.back().rows++;
        valid_rows_++;
      } else if (!after_gap && !failed_.empty() &&
                 failed_.back().first_row + failed_.back().rows == row) {
        failed_.back().rows++;
      } else {
        failed_.push_back({row, 1});
      }
      extends = is_valid;
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
  const size_t rows = whole ? rows_ : valid_rows_;
  *out++ = 'B';
  *out++ = kEntryVersion;
  out = PutVarint(out, 1 + source);
  out = PutVarint(out, cursor->run);
  out = PutVarint(out, cursor->next_seq);
  out = PutVarint(out, cursor->next_offset);
  out = PutVarint(out, cursor->ordinal);
  out = PutVarint(out, rows);
  out = PutVarint(out, failed_.size());
  uint32_t row = 0;
  for (const FailedRange& range : failed_) {
    out = PutVarint(out, range.first_row - row);
    out = PutVarint(out, range.rows);
    row = range.first_row + range.rows;
  }
  out = PutColumns(out, source, whole ? runs_ : valid_runs_, rows);
  const uint64_t records = rows + gaps_.size() + failed_.size();
  cursor->next_seq += records;
  cursor->next_offset += records;
  cursor->ordinal += rows;
  return out;
}

uint8_t* RowEncoder::PutColumns(uint8_t* out, size_t source, const std::vector<Run>& runs,
                                size_t rows) {
  const auto& channels = spec_.sources[source];
  const size_t room = rows + rows % 2;  // of a column: whole words
  size_t from = 0;
  for (const Run& run : runs) {
    std::byte* column = columns_.data();
    for (const BatchChannel& channel : channels) {
      Gather(channel.type, run.first + channel.row_offset, spec_.row_bytes, run.rows, column, from);
      column += ColumnBytes(channel.type, room);
    }
    from += run.rows;
  }
  out = PutVarint(out, channels.size());
  uint8_t* staged = staging_.data();
  const std::byte* column = columns_.data();
  for (const BatchChannel& channel : channels) {
    const EncodedColumn encoded =
        EncodeColumn(channel.type, column, rows, integers_.data(), staged);
    *out++ = encoded.codec;
    out = PutVarint(out, encoded.bytes);
    staged += encoded.bytes;
    column += ColumnBytes(channel.type, room);
  }
  const auto bytes = static_cast<size_t>(staged - staging_.data());
  std::memcpy(out, staging_.data(), bytes);
  return out + bytes;
}

}  // namespace helicorder
