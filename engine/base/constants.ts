/** Every limit of the engine, with its unit last in its name, and the relations that must hold. */
import { assert } from './assert.ts';

export const KIB = 1024;
export const MIB = 1024 * KIB;
export const GIB = 1024 * MIB;
export const NANOS_PER_SECOND = 1_000_000_000;
export const NANOS_PER_MILLI = 1_000_000;
export const NANOS_PER_MICRO = 1_000;

/** Unit of all writes to the log: what O_DIRECT asks of every disk we know. */
export const BLOCK_BYTES = 4 * KIB;
export const SEGMENT_DEFAULT_BYTES = 64 * MIB;
export const SEGMENT_MIN_BYTES = 1 * MIB;
export const SEGMENT_MAX_BYTES = 1 * GIB;
/**
 * The first segment of a store, and the one made from the ballast on a full disk: ready at once.
 */
export const SEGMENT_FIRST_BYTES = 4 * MIB;
/** A store smaller than this, or than its segments in reserve and in use, cannot turn over. */
export const BUDGET_MIN_BYTES = 16 * MIB;
export const BUDGET_MIN_SEGMENTS = 8;
/** A budget without a given segment size is cut into at least this many. */
export const BUDGET_SEGMENTS = 16;
export const GROUP_MAX_BYTES = 4 * MIB;
/** Memory for groups that are no larger: those of a few dozen sources at ordinary flushes. */
export const GROUP_SMALL_BYTES = 256 * KIB;
/** A group is committed once it holds this much, so that a backlog is written in large pieces. */
export const GROUP_TARGET_BYTES = 1 * MIB;
/** Of zeros written ahead at once, at most, so that no flush waits long behind them. */
export const ZERO_PIECE_BYTES = 1 * MIB;
/** The same, at least, where there is no backlog. */
export const ZERO_PIECE_MIN_BYTES = 128 * KIB;
export const BALLAST_BYTES = SEGMENT_FIRST_BYTES;

export const EVENT_MAX_BYTES = 8 * MIB;
export const CHANNELS_MAX = 1024;
export const NAME_MAX_BYTES = 255;

export const RATE_MIN_HZ = 0.1;
export const RATE_MAX_HZ = 20_000;
/** How long a native sampler may poll the clock before a tick; always less than half its period. */
export const SPIN_MAX_NANOS = 200_000;
/** Far above what any processor takes to wake; the kernel's field is 32 bits of microseconds. */
export const CPU_DMA_LATENCY_MAX_MICROS = 1_000_000;
export const SAMPLES_PER_EVENT_DEFAULT = 1000;
export const SAMPLES_PER_EVENT_MAX = 1_000_000;
export const ROUTING_KEY_MAX_CHARACTERS = 255;
export const FLUSH_DEFAULT_MS = 100;
export const FLUSH_MIN_MS = 1;
export const FLUSH_MAX_MS = 10_000;

/** A ring holds at least this much at its group's rate: the stall that costs nothing. */
export const RING_MIN_SECONDS = 2;
export const RING_MIN_BYTES = 64 * KIB;
/** More is a mistake: far more than the fastest device needs for the longest flush. */
export const RING_MAX_BYTES = 16 * GIB;
/** Rows drained into one pair of times entry and batches. */
export const BATCH_MAX_ROWS = 16_384;

/** A step of UTC against the monotonic clock that is recorded; less is noise of the reading. */
export const CLOCK_STEP_NANOS = 10_000;
/** Records whose times are this little out of order, by small steps of UTC, count as in order. */
export const CLOCK_DISORDER_NANOS = BigInt(NANOS_PER_SECOND);
/** The catalog is at most this far behind the log. */
export const CATALOG_MAX_LAG_MS = 1000;
/** Characters of a stream's name, and of a writer's id. */
export const NAME_MAX_LENGTH = 200;
/** How long reading history, or appending, may keep the thread for itself. */
export const TURN_MS = 50;
/** How long a starting owner waits for readers that hold the shared lock. */
export const LOCK_WAIT_MS = 2000;
/** A repeated SIGINT/SIGTERM within this time is the same signal (npm sends Ctrl-C twice). */
export const SIGNAL_REPEAT_MS = 500;
/** The store's upkeep looks for something to do at least this often. */
export const UPKEEP_INTERVAL_MS = 60_000;
/** The same while records wait for space. */
export const UPKEEP_WAITING_INTERVAL_MS = 5_000;
/** Its first look: an owner that is gone by then leaves it to the next one. */
export const UPKEEP_FIRST_MS = 5_000;
/** A status is shown this often, and made twice as often. */
export const STATUS_INTERVAL_MS = 1000;

/** Of a chunk that is being made; the rest of its blocks waits in a file. */
export const BLOCKS_IN_MEMORY_BYTES = 64 * MIB;
/** One transaction of a copy: what is in memory, and what is sent again after a failure. */
export const COPY_BATCH_RECORDS = 1_000_000;
export const COPY_BATCH_BYTES = 8 * MIB;
/** A copy that follows begins a transaction this long after the one before, unless it is behind. */
export const COPY_LINGER_MS = 1000;
export const COPY_LINGER_MAX_MS = 3_600_000;
/**
 * A store as a copy's end: age, records, bytes and parts (`spill-entry.ts`) of one transaction, and
 * bytes in memory of all that are open.
 */
export const TXN_OPEN_MS = 10 * 60_000;
export const TXN_MAX_RECORDS = 1e12;
export const TXN_MAX_BYTES = 64 * GIB;
export const TXN_PARTS_MAX = 16_384;
export const TXN_OPEN_MAX = 256;
export const TXN_OPEN_BYTES = 64 * MIB;
/** What its owner recomputes of the chain of one transaction: some ms, and 2 MiB of memory. */
export const TXN_CHAIN_WORDS = 2 ** 18;
/** A copier that failed comes back after half to all of this, twice as long each time … */
export const BACKOFF_MIN_MS = 100;
/** … up to this. */
export const BACKOFF_MAX_MS = 30_000;
/** The control socket (`docs/format-control.md`, Limits): what clients can cost the owner. */
export const CONTROL_HEAD_MAX_BYTES = 8 * KIB;
export const CONTROL_FRAME_MAX_BYTES = EVENT_MAX_BYTES + 64 * KIB;
export const CONTROL_CONNECTIONS_MAX = 64;
export const CONTROL_REQUESTS_MAX = 64;
export const CONTROL_OWN_BYTES = 64 * KIB;
export const CONTROL_SHARED_BYTES = 32 * MIB;
export const CONTROL_UNREAD_BYTES = 64 * KIB;
export const CONTROL_HELLO_MS = 5_000;
export const CONTROL_FRAME_MS = 30_000;
export const CONTROL_UNREAD_MS = 30_000;
export const CONTROL_IDLE_MS = 60_000;
/** How long a closing owner waits for requests that it has taken to be answered. */
export const CONTROL_CLOSE_MS = 2_000;
/** How long a client waits for an owner that listens to say hello. */
export const CONTROL_CONNECT_MS = 10_000;
/** What a producer sends ahead of its acknowledgements. */
export const CONTROL_WINDOW_BYTES = 4 * MIB;

assert(SEGMENT_MIN_BYTES % BLOCK_BYTES === 0, 'a segment is whole blocks');
assert(SEGMENT_FIRST_BYTES >= SEGMENT_MIN_BYTES, 'the first segment is a legal one');
assert(GROUP_MAX_BYTES * 4 <= SEGMENT_DEFAULT_BYTES, 'a group is at most a quarter of a segment');
assert(GROUP_TARGET_BYTES <= GROUP_MAX_BYTES, 'what is aimed at is allowed');
assert(SEGMENT_MAX_BYTES < 2 ** 32, 'a place in a segment fits in 32 bits of an LSN');
assert(CONTROL_HEAD_MAX_BYTES < 2 ** 16, 'the length of a head fits in its field');
assert(
  CONTROL_FRAME_MAX_BYTES >= EVENT_MAX_BYTES + 6 + CONTROL_HEAD_MAX_BYTES,
  'the largest event fits in a frame',
);
assert(CONTROL_SHARED_BYTES >= CONTROL_FRAME_MAX_BYTES, 'every frame gets its turn');
assert(
  BUDGET_MIN_BYTES / BUDGET_SEGMENTS >= SEGMENT_MIN_BYTES && BUDGET_SEGMENTS >= BUDGET_MIN_SEGMENTS,
  'the smallest budget has room for the segments it asks for',
);
assert(BALLAST_BYTES >= SEGMENT_FIRST_BYTES, 'the ballast makes room for one small segment');
