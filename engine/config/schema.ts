/**
 * The one schema of the configuration. From it come validation, the flags and environment
 * variables of `run`, `docs/configuration.md` and the sample file: an option is added here (or in
 * its driver's own `options`; `each.ts` has what makes one source many) and nowhere else. Keys a
 * driver adds to its sources are checked together with the common ones, so that a misspelled one is
 * found wherever it stands.
 */
import * as z from 'zod';
import {
  NAME_MAX_LENGTH,
  BUDGET_MIN_BYTES,
  BUDGET_MIN_SEGMENTS,
  BUDGET_SEGMENTS,
  CPU_DMA_LATENCY_MAX_MICROS,
  FLUSH_DEFAULT_MS,
  FLUSH_MAX_MS,
  FLUSH_MIN_MS,
  MIB,
  NANOS_PER_SECOND,
  RATE_MAX_HZ,
  RATE_MIN_HZ,
  ROUTING_KEY_MAX_CHARACTERS,
  SAMPLES_PER_EVENT_DEFAULT,
  SAMPLES_PER_EVENT_MAX,
  SEGMENT_DEFAULT_BYTES,
  SEGMENT_MAX_BYTES,
  SEGMENT_MIN_BYTES,
  SPIN_MAX_NANOS,
} from '../base/constants.ts';
import { STREAM_NAME } from '../base/names.ts';
import { ON_FULL, STREAM_CLASSES } from '../base/retention.ts';
import { copySchema } from './copies.ts';
import {
  durationMicros,
  durationMs,
  durationNanos,
  group,
  parsed,
  sizeBytes,
  streamPattern,
} from './fields.ts';
import {
  formatBytes,
  formatDuration,
  parseDurationNanos,
  parseRateHz,
  parseSizeBytes,
} from './units.ts';

/** What configuration needs to know of a driver; `engine/drivers/driver.ts` satisfies it. */
export interface DriverFace {
  readonly kind: string;
  readonly summary: string;
  readonly options: z.ZodObject;
}

function rate() {
  return parsed(parseRateHz, (hz) =>
    hz >= RATE_MIN_HZ && hz <= RATE_MAX_HZ
      ? undefined
      : `must be ${RATE_MIN_HZ} to ${RATE_MAX_HZ} Hz`,
  );
}

function resolution() {
  return parsed(parseDurationNanos, (nanos) =>
    nanos >= 1n && nanos <= BigInt(NANOS_PER_SECOND) ? undefined : 'must be 1ns to 1s',
  );
}

function samplesPerEvent() {
  return z.int().min(1).max(SAMPLES_PER_EVENT_MAX);
}

function routingKey() {
  return z.string().min(1).max(ROUTING_KEY_MAX_CHARACTERS);
}

/** Retention of a stream; `text` describes a key, or says where its description is. */
function retain(text: (key: string, description: string) => string) {
  return group('{age: 30d, bytes: 2GiB}', {
    age: durationMs(1000, RETAIN_MAX_MS)
      .optional()
      .meta({
        description: text('retain.age', 'Records older than this are let go of.'),
        type: 'duration',
      }),
    bytes: sizeBytes(1)
      .optional()
      .meta({
        description: text(
          'retain.bytes',
          'The oldest records are let go of where the stream takes more than this.',
        ),
        type: 'size',
      }),
  });
}

function onFull() {
  return z.enum(ON_FULL);
}

function streamClass() {
  return z.enum(STREAM_CLASSES);
}

const ON_FULL_TYPE = 'reject-new or drop-oldest';
const CLASS_TYPE = 'critical, normal or bulk';
const asDefaults = (key: string): string => `As defaults.${key}.`;

const SEGMENT_RANGE = `${formatBytes(SEGMENT_MIN_BYTES)} to ${formatBytes(SEGMENT_MAX_BYTES)}`;
const DAY_MS = 86_400_000;
const DURATION_MAX_MS = 10 * 365 * DAY_MS;
const RETAIN_MAX_MS = 100 * 365 * DAY_MS;

const store = z.strictObject({
  dir: z
    .string()
    .min(1)
    .prefault('./helicorder-data')
    .meta({ description: 'Directory of the store; made if it does not exist.', type: 'path' }),
  flush: durationMs(FLUSH_MIN_MS, FLUSH_MAX_MS)
    .prefault(`${FLUSH_DEFAULT_MS}ms`)
    .meta({
      description:
        `How often data is made durable, ${FLUSH_MIN_MS}ms to ${FLUSH_MAX_MS}ms: ` +
        'what a power cut can cost.',
      type: 'duration',
    }),
  segmentSize: parsed(parseSizeBytes, (bytes) =>
    bytes >= SEGMENT_MIN_BYTES && bytes <= SEGMENT_MAX_BYTES && bytes % MIB === 0
      ? undefined
      : `must be whole MiB, ${SEGMENT_RANGE}`,
  )
    .optional()
    .meta({
      description:
        `Size of a file of the log, ${SEGMENT_RANGE}; fixed when the store is made. ` +
        `Default: ${SEGMENT_DEFAULT_BYTES / MIB}MiB, or a ${BUDGET_SEGMENTS}th of the budget.`,
      type: 'size',
    }),
  budget: group('{bytes: 20GiB, minFree: 1GiB}', {
    bytes: sizeBytes(BUDGET_MIN_BYTES)
      .optional()
      .meta({
        description:
          'The most that everything under store.dir may take: at least ' +
          `${formatBytes(BUDGET_MIN_BYTES)} and ${BUDGET_MIN_SEGMENTS} segments.`,
        type: 'size',
      }),
    minFree: sizeBytes(0).prefault('0B').meta({
      description: 'What is left free on the disk for others, whatever the budget.',
      type: 'size',
    }),
  }).prefault({}),
});

const chunks = group('{dir: /mnt/chunks}', {
  dir: z.string().min(1).optional().meta({
    description:
      'Directory of the sealed chunks; it must exist, and is never made. Default: chunks, in the store.',
    type: 'path',
  }),
});

const defaults = z.strictObject({
  rate: rate()
    .prefault(1000)
    .meta({
      description:
        `Samples per second, ${RATE_MIN_HZ} to ${RATE_MAX_HZ}: 1000, 0.5, 2kHz. The period is ` +
        'rounded to whole ns: 7kHz is 7000.007 Hz.',
      type: 'rate',
    }),
  samplesPerEvent: samplesPerEvent().prefault(SAMPLES_PER_EVENT_DEFAULT).meta({
    description: 'Samples a consumer receives as one event; independent of store.flush.',
    type: 'number',
  }),
  timestampResolution: resolution().prefault('1ns').meta({
    description: 'Each sample keeps its time in steps of this: 1us stores fewer bytes than 1ns.',
    type: 'duration',
  }),
  routingKey: routingKey().optional().meta({
    description: 'Attribute of the data, printed as RemoteAddr. Default: the host name.',
    type: 'text',
  }),
  retain: retain((_, description) => description).prefault({}),
  onFull: onFull().prefault('reject-new').meta({
    description:
      'Where there is no room: refuse what is new, as gap(full), or let go of the oldest records.',
    type: ON_FULL_TYPE,
  }),
  class: streamClass().prefault('normal').meta({
    description: 'Under pressure bulk goes first, critical last.',
    type: CLASS_TYPE,
  }),
});

/** The threads that sample sleep until a tick is due. */
export const SPIN_DEFAULT = '0us';

/** Of every kind of source: scripts rely on the name (docs/decisions). */
export const DEFAULT_STREAM = 'examples/network';

const retentionOfOne = {
  retain: retain(asDefaults).optional(),
  onFull: onFull()
    .optional()
    .meta({ description: asDefaults('onFull'), type: ON_FULL_TYPE }),
  class: streamClass()
    .optional()
    .meta({ description: asDefaults('class'), type: CLASS_TYPE }),
};

/** Retention of streams that are no sources, or that no source says anything of. */
export const streamSchema = z.strictObject({
  stream: streamPattern().meta({
    description: 'Which: scope/name, with * for any characters in each.',
    type: 'text',
  }),
  ...retentionOfOne,
});

/** Sources of one configuration, those that an entry stands for counted one by one. */
export const SOURCES_MAX = 4096;

/** What every source takes, whatever its driver; the rest is the driver's own. */
export const sourceSchema = z.strictObject({
  source: z.string().meta({ description: 'Kind of the device: a driver.', type: 'text' }),
  name: z
    .string()
    .regex(/^[A-Za-z0-9._-]{1,100}$/, 'must be 1 to 100 of the characters A-Z a-z 0-9 . _ -')
    .optional()
    .meta({
      description: 'Name of the source in status and logs. Default: the last part of its stream.',
      type: 'text',
    }),
  stream: z
    .string()
    .max(NAME_MAX_LENGTH)
    .regex(STREAM_NAME, 'must be scope/name of the characters A-Z a-z 0-9 . _ -')
    .optional()
    .meta({
      description: `Where its samples go, scope/name. Default: ${DEFAULT_STREAM}.`,
      type: 'text',
    }),
  writer: z.string().min(1).max(NAME_MAX_LENGTH).optional().meta({
    description: 'Identity under which samples are numbered. Default: the name of the source.',
    type: 'text',
  }),
  count: z.int().min(1).max(SOURCES_MAX).optional().meta({
    description: 'Synthetic sources only: this many, into streams NAME-0, NAME-1 ….',
    type: 'number',
  }),
  rate: rate().optional().meta({ description: 'As defaults.rate.', type: 'rate' }),
  samplesPerEvent: samplesPerEvent()
    .optional()
    .meta({ description: 'As defaults.samplesPerEvent.', type: 'number' }),
  timestampResolution: resolution()
    .optional()
    .meta({ description: 'As defaults.timestampResolution.', type: 'duration' }),
  routingKey: routingKey()
    .optional()
    .meta({ description: 'As defaults.routingKey.', type: 'text' }),
  ...retentionOfOne,
});

export const configSchema = z.strictObject({
  store: store.prefault({}),
  chunks: chunks.prefault({}),
  defaults: defaults.prefault({}),
  realtime: z
    .enum(['auto', 'off', 'require'])
    .prefault('auto')
    .meta({
      description:
        'Real-time scheduling: the best that is granted, none, or an error if refused. ' +
        'Sources of sysfs never have it: with require they are an error.',
      type: 'auto, off or require',
    }),
  cpu: z.int().min(-1).max(4095).prefault(-1).meta({
    description:
      'Processor the sampling threads are pinned to; -1: no pinning. That of sysfs never is.',
    type: 'number',
  }),
  spin: durationNanos(SPIN_MAX_NANOS)
    .prefault(SPIN_DEFAULT)
    .meta({
      description:
        'Sampling threads wake this much earlier and poll the clock until a tick is due, ' +
        `at most ${formatDuration(BigInt(SPIN_MAX_NANOS))} and less than half a period: less ` +
        'lateness for more CPU. 0us: they sleep until then. That of sysfs always does.',
      type: 'duration',
    }),
  cpuDmaLatency: durationMicros(CPU_DMA_LATENCY_MAX_MICROS)
    .optional()
    .meta({
      description:
        'While it records, no processor sleeps so deeply that it takes longer than this to wake; ' +
        '0us: none sleeps deeply. Held in /dev/cpu_dma_latency, which takes the right to write ' +
        'there: without it a warning says so. Default: the kernel decides.',
      type: 'duration',
    }),
  duration: durationMs(1, DURATION_MAX_MS).optional().meta({
    description: 'Stop by itself after this time. Default: record until told to stop.',
    type: 'duration',
  }),
  streams: z.array(streamSchema).max(1024).prefault([]),
  copies: z.array(copySchema).max(64).prefault([]),
  sources: z.array(z.unknown()).max(SOURCES_MAX).optional(),
});

const {
  streams: _streams,
  copies: _copies,
  sources: _sources,
  ...withoutLists
} = configSchema.shape;
/** The keys that stand for one value each: all but the lists. */
export const singleKeys = withoutLists;

export type ConfigTree = z.output<typeof configSchema>;
export type SourceTree = z.output<typeof sourceSchema>;
export type RetentionTree = Pick<SourceTree, 'retain' | 'onFull' | 'class'>;

/** Common keys and the driver's own, in one object without room for others. */
export function schemaOfSource(driver: DriverFace): z.ZodObject {
  return z.strictObject({ ...driver.options.shape, ...sourceSchema.shape });
}
