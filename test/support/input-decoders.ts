/**
 * Every decoder of what comes from users and from their machine: configuration, flags, events to
 * write, details of cursors, the small files of a store, numbers in files of the kernel.
 */
import { mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { damaged } from '../../engine/base/bytes.ts';
import { BLOCK_BYTES } from '../../engine/base/constants.ts';
import { crc32c } from '../../engine/base/crc32c.ts';
import { HelicorderError } from '../../engine/base/errors.ts';
import { parseTimeNanos } from '../../engine/base/time-text.ts';
import { resolveConfig } from '../../engine/config/config.ts';
import { CHANNEL_TYPES } from '../../engine/batch/schema.ts';
import type { RowWriter } from '../../engine/drivers/driver.ts';
import { DRIVERS } from '../../engine/drivers/registry.ts';
import { sysfsDriver } from '../../engine/drivers/sysfs.ts';
import type { FileSystem } from '../../engine/files/file-system.ts';
import { nodeFileSystem } from '../../engine/files/node-file-system.ts';
import { decodeConsumerDetail } from '../../engine/connect/consumer-detail.ts';
import { readMachineId, readStoreJson } from '../../engine/store/log/files.ts';
import { viewOf } from '../../engine/store/entries/format.ts';
import { openMark } from '../../engine/store/log/mark.ts';
import { isQuarantined, readManifest } from '../../engine/store/upkeep/quarantine.ts';
import { decodeCopyRecord } from '../../engine/targets/copy-cursor.ts';
import { Cutter, type Framing } from '../../engine/connect/framing.ts';
import { FakeDriverFiles } from './driver-files.ts';
import type { Decoder } from './fuzz.ts';
import { memoryFiles } from './memory-files.ts';

const utf8 = (input: Uint8Array): string => new TextDecoder().decode(input);
const DAMAGED = ['DAMAGED'] as const;

const CONFIG_WORDS = [
  ...['__proto__', 'constructor', 'toString', '5constructor', '1e999', '-0', '.nan', '0x1F', '~'],
  ...['&a ', '*a', '<<: ', '!!binary ', '!!timestamp ', '? ', '| ', '- ', '[', '{', '}', ']', ': '],
  ...['${HOME}', '${X:-1}', '${', '999999999999', '2026-01-01', '\n', '  ', "'", '"', '#', '10s'],
  ...['sources:\n  - ', 'source: synthetic', 'count: ', 'streams', 'copies', 'retain', 'store'],
];

function configFile(name: string, path: string): Decoder {
  const decode = (input: Uint8Array): unknown => {
    const files = memoryFiles({ [path]: utf8(input) });
    const resolved = resolveConfig({
      ...{ files, path, environment: {}, hostName: 'box', drivers: DRIVERS },
    });
    unpolluted();
    return resolved;
  };
  const [, extension] = path.split('.') as [string, string];
  return { name, decode, codes: ['CONFIG'], words: CONFIG_WORDS, extension };
}

/** Whatever a file's keys are called, they are keys. */
function unpolluted(): void {
  for (const key in {}) throw new Error(`every object has ${key} now`);
}

/** Lines `flag value`; those in capitals are variables of the environment. */
function settings(input: Uint8Array): unknown {
  const lines = utf8(input)
    .split('\n')
    .map((line) => line.split(/ (.*)/s, 2) as [string, string?])
    .filter(([name]) => name !== '');
  const of = (isVariable: boolean): Record<string, string> => {
    const chosen = lines.filter(([name]) => /^[A-Z_]+$/.test(name) === isVariable);
    return Object.fromEntries(chosen.map(([name, value = '']) => [name, value]));
  };
  return resolveConfig({
    ...{ files: memoryFiles({}), environment: of(true), flags: of(false) },
    ...{ hostName: 'box', drivers: DRIVERS },
  });
}

const EVENT_LIMIT = 64;

/** The first byte is how many bytes arrive at a time: what comes out does not depend on it. */
function events(framing: Framing): Decoder {
  const decode = (input: Uint8Array): unknown => {
    const bytes = input.subarray(1);
    const whole = cutEvents(framing, bytes, bytes.length);
    const inPieces = cutEvents(framing, bytes, input[0] ?? 1);
    if (JSON.stringify(whole.events) !== JSON.stringify(inPieces.events)) {
      throw new Error('other events in other pieces');
    }
    if (whole.error?.code !== inPieces.error?.code) throw new Error('another end in other pieces');
    if (whole.error) throw whole.error;
    return whole.events;
  };
  return { name: `events-${framing}`, decode, codes: ['USAGE'] };
}

function cutEvents(
  framing: Framing,
  bytes: Uint8Array,
  pieceBytes: number,
): { events: string[]; error: HelicorderError | undefined } {
  const cutter = new Cutter(framing, EVENT_LIMIT);
  const found: Uint8Array[] = [];
  let error: HelicorderError | undefined;
  try {
    for (let at = 0; at < bytes.length; at += Math.max(1, pieceBytes)) {
      cutter.push(bytes.subarray(at, at + Math.max(1, pieceBytes)), found);
    }
    const last = cutter.end();
    if (last) found.push(last);
  } catch (cause) {
    if (!(cause instanceof HelicorderError)) throw cause;
    error = cause;
  }
  return { events: found.map((event) => Buffer.from(event).toString('hex')), error };
}

/** A file system that holds one text. */
function holding(text: string): FileSystem {
  return { readText: () => text } as unknown as FileSystem;
}

/** What is undefined, or says nothing, counts as refused. */
function known<T>(answer: T | undefined, isKnown = answer !== undefined): T {
  if (!isKnown) throw damaged('it says nothing');
  return answer as T;
}

/** Writes the checksum that the other facts have. */
function resealStoreJson(input: Uint8Array): void {
  const text = utf8(input);
  const at = text.indexOf('"checksum": "') + '"checksum": "'.length;
  try {
    const { checksum, ...facts } = JSON.parse(text) as Record<string, unknown>;
    if (typeof checksum !== 'string' || checksum.length !== 8) return;
    const crc = crc32c(new TextEncoder().encode(JSON.stringify(facts)));
    input.set(
      Buffer.from(crc.toString(16).padStart(8, '0')),
      Buffer.from(text.slice(0, at)).length,
    );
  } catch {
    // not JSON any more: nothing to be made right
  }
}

const MANIFEST_RANGE = { file: 'd/log/1.seg', offset: '0', length: '8', what: 'torn' };

function manifest(input: Uint8Array): unknown {
  const read = readManifest(holding(utf8(input)), 'd');
  isQuarantined(read, 'd', MANIFEST_RANGE);
  return known(read, read.entries.length > 0);
}

const BOOT_ID = '0f1e2d3c-0000-4000-8000-0123456789ab';
const MARK_HEAD_BYTES = 88;
/** A file that has no name any more: it is gone with the process. */
const page = ((scratch) => {
  const descriptor = openSync(join(scratch, 'mark'), 'w+');
  rmSync(scratch, { recursive: true });
  return descriptor;
})(mkdtempSync(join(tmpdir(), 'helicorder-mark-')));

/** A page of a mark: the input is its first 88 bytes and its last four. */
function mark(input: Uint8Array): unknown {
  const bytes = new Uint8Array(BLOCK_BYTES);
  bytes.set(input.subarray(0, MARK_HEAD_BYTES));
  bytes.set(input.subarray(MARK_HEAD_BYTES, MARK_HEAD_BYTES + 4), BLOCK_BYTES - 4);
  // in place: a file that is cut to nothing first is written back to the disk at each close
  writeSync(page, bytes, 0, BLOCK_BYTES, 0);
  const opened = known(openMark(nodeFileSystem, `/proc/self/fd/${page}`, BOOT_ID));
  try {
    return known(opened.read());
  } finally {
    opened.close();
  }
}

/** CRC of the header behind the head; then the check word of what is said to be durable. */
function resealMark(input: Uint8Array): void {
  if (input.length < MARK_HEAD_BYTES + 4) return;
  const view = viewOf(input);
  view.setUint32(MARK_HEAD_BYTES, crc32c(input.subarray(0, 48)), true);
  const crc = crc32c(Uint8Array.from([...input.subarray(40, 48), ...input.subarray(64, 72)]));
  view.setBigUint64(72, (BigInt(~crc >>> 0) << 32n) | BigInt(crc), true);
}

/** The first byte is the channel's type, the others are the file: a value, or a gap(device). */
function kernelNumber(input: Uint8Array): unknown {
  const type = CHANNEL_TYPES[(input[0] ?? 0) % CHANNEL_TYPES.length]!;
  const files = new FakeDriverFiles({ '/sys/value': utf8(input.subarray(1)) });
  const channels = [{ name: 'C', path: '/sys/value', type }];
  const driver = sysfsDriver.open(sysfsDriver.options.parse({ channels }), {
    files,
    sourceName: 'heat',
  });
  const view = new DataView(new ArrayBuffer(8));
  const row: RowWriter = {
    // as the sampler's own, which takes 64-bit channels as integers
    setNumber: (_, value) => {
      if (type === 'i64' || type === 'u64') BigInt(value);
      else view.setFloat64(0, value, true);
    },
    setBigInt: (_, value) => view.setBigInt64(0, value, true),
  };
  return known(view, driver.read!(row, 0));
}

const NOW_NANOS = 1_700_000_000_000_000_000n;

/** Its caller makes a USAGE of what it throws. */
function time(input: Uint8Array): unknown {
  try {
    return parseTimeNanos(utf8(input), NOW_NANOS);
  } catch (error) {
    if (error instanceof RangeError) throw new HelicorderError('USAGE', error.message);
    throw error;
  }
}

const json = { extension: 'json', words: ['null', '[]', '{}', '1', 'true', '"x"'] } as const;

export const INPUT_DECODERS: readonly Decoder[] = [
  configFile('config-yaml', 'helicorder.yaml'),
  configFile('config-toml', 'helicorder.toml'),
  {
    ...{ name: 'config-settings', decode: settings, codes: ['USAGE', 'CONFIG'] },
    ...{ words: CONFIG_WORDS, extension: 'txt' },
  },
  events('lines'),
  events('length32'),
  {
    ...{ name: 'copy-record', codes: ['USAGE'], ...json },
    decode: (input) => decodeCopyRecord('c', utf8(input)),
  },
  {
    ...{ name: 'consumer-detail', codes: ['USAGE'], ...json },
    decode: (input) => decodeConsumerDetail('c', utf8(input)),
  },
  {
    ...{ name: 'store-json', codes: ['DAMAGED', 'FORMAT_VERSION'], ...json },
    decode: (input) => known(readStoreJson(holding(utf8(input)), 'd/store.json')),
    reseal: resealStoreJson,
  },
  { name: 'quarantine-manifest', decode: manifest, codes: DAMAGED, ...json },
  {
    ...{ name: 'machine-id', codes: DAMAGED, extension: 'txt' },
    decode: (input) => {
      const id = readMachineId(holding(utf8(input)));
      return known(
        id,
        id.some((byte) => byte !== 0),
      );
    },
  },
  { name: 'mark', decode: mark, codes: ['DAMAGED', 'FORMAT_VERSION'], reseal: resealMark },
  {
    name: 'sysfs-number',
    decode: kernelNumber,
    codes: DAMAGED,
    words: ['1e999', 'Infinity', '-', '.', '0x', '9007199254740993'],
  },
  {
    name: 'time',
    decode: time,
    codes: ['USAGE'],
    extension: 'txt',
    words: ['now', '-1h', 'T', 'Z'],
  },
];
