// Draining a ring and encoding what was drained, fused: ring rows → times entry and one batch
// entry per source (docs/format-batch.md), without one object per sample.
//
// The rows stay where they are: a first pass over the records notes runs of rows, their times and
// what the gaps are; then, source by source, channels are gathered from each run into columns, and
// encoded. A run is short enough that its rows stay in the nearest cache meanwhile. The ring's tail
// moves once, after everything has been encoded; nothing is copied that is not a column.
//
// Memory is taken in Reserve(), never per row or per call of the same size. One thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "channel.h"
#include "ring.h"

namespace helicorder {

inline constexpr size_t kLatenessBuckets = 65;
// Rows of one times entry, and gaps of one call; what is more waits for the next call.
inline constexpr size_t kRowsMax = 16384;
inline constexpr size_t kGapsMax = 1024;

struct BatchChannel {
  ChannelType type;
  uint32_t row_offset;  // from the record's start
};

struct RowEncoderSpec {
  uint32_t row_bytes;        // of one row record, a multiple of 8
  uint32_t validity_offset;  // from the record's start
  uint64_t t0_nanos;
  uint64_t period_nanos;
  uint64_t resolution_nanos;  // ≥ 1
  std::vector<std::vector<BatchChannel>> sources;
};

// Where a source's next record goes.
struct Cursor {
  uint64_t run;
  uint64_t next_seq;
  uint64_t next_offset;
  uint64_t ordinal;
};

struct EntryInfo {
  uint32_t bytes;
  uint32_t crc;
};

struct Drained {
  size_t bytes = 0;
  size_t rows = 0;
  uint64_t first_tick = 0;
  uint64_t ticks = 0;
  int64_t first_time_nanos = 0;
  int64_t last_time_nanos = 0;
  int64_t first_column_value = 0;  // of the time column
  int64_t last_column_value = 0;
  bool more = false;  // the ring held more than one call takes
};

class RowEncoder {
 public:
  // The ring must be attached, and its memory outlive the encoder.
  RowEncoder(const RingReader& ring, RowEncoderSpec spec);

  size_t sources() const { return spec_.sources.size(); }

  // Tick of the next row or gap, −1 if the ring is empty, −EBADMSG (< −1) if it is malformed.
  int64_t PeekTick() const;

  // Bytes of `out` that Encode may touch for so many rows.
  size_t BoundBytes(size_t max_rows) const;

  // Drains at most `max_rows` (1 to kRowsMax) rows and encodes them to `out`.
  // `cursors`: one per source, moved on. `entries`: 1 + sources.
  // Returns the number of entries, 0 if the ring is empty; −EBADMSG if a record is malformed,
  // −EPROTO if ticks are neither rows nor gaps. After an error nothing was drained.
  int Encode(uint8_t* out, size_t max_rows, int64_t utc_offset_nanos, Cursor* cursors,
             EntryInfo* entries, Drained* drained);

 private:
  // Rows of consecutive ticks, one behind the other.
  struct Run {
    const uint8_t* first;
    size_t rows;
  };
  struct Gap {
    uint64_t rows_before;
    uint64_t ticks;
    uint64_t nanos;
    uint8_t reason;
  };
  struct FailedRange {
    uint32_t first_row;
    uint32_t rows;
  };

  void Reserve(size_t max_rows);
  int Drain(size_t max_rows, uint64_t* tail, Drained* drained);
  size_t TakeRows(const uint8_t* record, size_t max_rows, Drained* drained);
  int TakeGap(const uint8_t* record, Drained* drained);
  bool Expect(uint64_t tick, Drained* drained);
  void NoteTimes(uint64_t histogram[kLatenessBuckets]);
  uint8_t* PutTimes(uint8_t* out, int64_t utc_offset_nanos, Drained* drained);
  uint8_t* PutBatch(uint8_t* out, size_t source, Cursor* cursor);
  void FindFailed(size_t source);
  uint8_t* PutColumns(uint8_t* out, size_t source, const std::vector<Run>& runs, size_t rows);

  RingReader ring_;
  RowEncoderSpec spec_;
  uint64_t next_tick_ = 0;
  bool began_ = false;

  // Of the call in progress.
  std::vector<Run> runs_;
  size_t rows_ = 0;
  std::vector<Run> valid_runs_;  // of one source
  size_t valid_rows_ = 0;
  std::vector<Gap> gaps_;
  std::vector<FailedRange> failed_;
  std::vector<uint64_t> all_valid_;  // AND over the rows' validity words
  std::vector<int64_t> times_;       // as the time column has them
  std::vector<std::byte> columns_;   // of one source, of int32_t, int64_t or double
  std::vector<int64_t> integers_;    // that are the floats of one channel
  std::vector<uint8_t> staging_;     // encoded columns, whose lengths come first in the entry
};

}  // namespace helicorder
