/** Inputs of decoders that the golden files have nothing of, made by their encoders. */
import { encodeFrame } from '../../engine/control/frame.ts';
import { encodeEventList, encodeHead } from '../../engine/control/protocol.ts';
import { crc32c } from '../../engine/base/crc32c.ts';
import type { FileSystem } from '../../engine/files/file-system.ts';
import { encodeConsumerDetail } from '../../engine/connect/consumer-detail.ts';
import * as control from '../../engine/store/entries/control-entries.ts';
import { encodePack } from '../../engine/store/chunks/pack.ts';
import { writeStoreJson } from '../../engine/store/log/files.ts';
import { KIND } from '../../engine/store/entries/format.ts';
import { createMark } from '../../engine/store/log/mark.ts';
import { positionEntry } from '../../engine/store/state/positions.ts';
import {
  spillEntry,
  spilledEntry,
  type SpillPart,
} from '../../engine/store/entries/spill-entry.ts';
import { encodeReached } from '../../engine/store/state/reached.ts';
import { encodeCopyRecord } from '../../engine/targets/copy-cursor.ts';
import { encodePieces } from '../../engine/txn/piece-format.ts';
import type { NewInput } from './corpus.ts';
import { meantRecords, piecesOf, testOrigin } from './pieces.ts';
import { SeededRandom } from './random.ts';

export type MadeInput = Pick<NewInput, 'name' | 'bytes' | 'extension'> & { decoder: string };

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);
const hex = 'ab'.repeat(16);

export function madeInputs(): MadeInput[] {
  return [
    ...entries(),
    ...packs(),
    ...pieces(),
    ...details(),
    ...messages(),
    ...frames(),
    ...inputs(),
    ...smallFiles(),
  ];
}

const SPILLED: SpillPart = {
  ...{ run: 3, firstSeq: 9, records: 40, samples: 37, ticks: 44, lastTick: 99, nextOrdinal: 38 },
  ...{ firstNanos: -5n, lastNanos: 2n ** 62n, bytes: 800, paddingBytes: 96 },
  gaps: [{ reason: 'late', gaps: 3, ticks: 7 }],
};
const GAP_ALONE: SpillPart = {
  ...{ run: 300, firstSeq: 1, records: 1, samples: 0, ticks: 0, lastTick: null, nextOrdinal: null },
  ...{ firstNanos: null, lastNanos: null, bytes: 30, paddingBytes: 0, gaps: [] },
};

function entries(): MadeInput[] {
  const writer = { writer: 'w', run: 3, records: 9, samples: 8, ticks: 12, lastTick: null };
  const fact = { stream: 2, run: 300, nextOffset: 70_000, nextSeq: 70_001, lastTick: 4_000_000 };
  const position = { stream: 1, writer: 'w', seq: 3, file: '8:1', offset: 99, hash: 'ab' };
  const copied = { stream: 1, writer: `${hex}/7/0`, epoch: 2 ** 20 + 5, lo: 1, hi: 9 };
  const cursor = { name: 'c', stream: 1, offset: 5, updatedNanos: 17n, detail: '{}' };
  const made = (name: string, what: string, bytes: Uint8Array): MadeInput => {
    const isText = name !== 'reached';
    return { decoder: `entry-${name}`, name: what, bytes, ...(isText && { extension: 'json' }) };
  };
  const { trimEntry, removeEntry, cursorEntry, transactionEntry } = control;
  const { identityEntry, lostEntry, sealedEntry, placeEntry } = control;
  const moved = { ...copied, chain: 2n ** 63n + 1n, firstOffset: 0, endOffset: 9 };
  const lost = { stream: 1, run: 2, firstSeq: 3, firstOffset: 2, records: 40 };
  const last = { lsn: 2 ** 32 + 4096, length: 900, crc: 7 };
  const place = { end: 8192, last, base: 70_000, firstOffset: 70_005, runs: [3, 300] };
  const spill = { name: '00ff00ff00ff00ff', ...place };
  return [
    made('trim', 'one-writer', trimEntry.encode({ stream: 1, lowWater: 9, writers: [writer] })),
    made('trim', 'nobody', trimEntry.encode({ stream: 1, lowWater: 0, writers: [] })),
    made('remove', 'a-stream', removeEntry.encode({ stream: 7 })),
    made('cursor', 'with-detail', cursorEntry.encode(cursor)),
    made('cursor', 'removed', cursorEntry.encode({ ...cursor, offset: null, detail: null })),
    made('transaction', 'committed', transactionEntry.encode(moved)),
    made(
      'identity',
      'moved',
      identityEntry.encode({ storeId: hex, machineId: hex, was: hex, sealedEnd: undefined }),
    ),
    made('lost', 'records', lostEntry.encode(lost)),
    made('sealed', 'end', sealedEntry.encode({ end: 2 ** 33 })),
    made('place', 'a-directory', placeEntry.encode({ dir: '/mnt/chunks' })),
    made('position', 'of-a-file', positionEntry.encode(position)),
    made('spill', 'two-parts', spillEntry.encode({ ...spill, parts: [SPILLED, GAP_ALONE] })),
    made('spilled', 'a-file', spilledEntry.encode({ name: spill.name, segment: 4 })),
    made('reached', 'one-stream', encodeReached([fact])),
    made('reached', 'two-runs', encodeReached([fact, { ...fact, run: 301, lastTick: null }])),
  ];
}

function packs(): MadeInput[] {
  const entry = (text: string): { kind: number; payload: Uint8Array } => {
    return { kind: KIND.gap, payload: utf8(text) };
  };
  const made = (name: string, texts: string[]): MadeInput => {
    return { decoder: 'chunk-pack', name, bytes: encodePack(texts.map(entry)) };
  };
  return [made('plain', ['a', 'b']), made('deflated', ['x'.repeat(400), 'y'.repeat(90)])];
}

function pieces(): MadeInput[] {
  const made = (kind: 'samples' | 'opaque', records: number): MadeInput => {
    const random = new SeededRandom(records);
    const origin = testOrigin(kind);
    const all = piecesOf(meantRecords(random, records, origin), origin, () => false);
    return { decoder: 'pieces', name: `${kind}-${records}`, bytes: encodePieces(all) };
  };
  return [made('samples', 12), made('samples', 60), made('opaque', 30)];
}

function details(): MadeInput[] {
  const writer = { store: hex, incarnation: '7', base: 4 };
  const cursor = { epoch: 2 ** 20 + 5, acked: 9, chain: 2n ** 63n + 1n };
  const range = { lo: 10, hi: 12, count: 3, before: cursor.chain, chain: 77n };
  const copy = encodeCopyRecord({ writer, cursor, intent: undefined });
  const sending = encodeCopyRecord({ writer, cursor, intent: { txn: '4-9', range } });
  const state = encodeConsumerDetail({ by: hex, commit: 4, state: { sum: [1, 2.5, null] } });
  const json = { extension: 'json' } as const;
  return [
    { decoder: 'copy-record', name: 'at-rest', bytes: utf8(copy), ...json },
    { decoder: 'copy-record', name: 'with-an-intent', bytes: utf8(sending), ...json },
    { decoder: 'consumer-detail', name: 'with-state', bytes: utf8(state), ...json },
  ];
}

/** One message of each type. */
const OF_COPY = { id: 5, stream: 'a/b', writer: `${hex}/7/0` };
const CURSOR = { name: 'c', stream: 'a/b', offset: 5, detail: 'x' };
const REQUESTS: { type: string; [field: string]: unknown }[] = [
  { type: 'open', id: 1, stream: 'a/b', writer: 'w' },
  { type: 'append', id: 2, run: 3, cursor: CURSOR, position: { file: 'f', offset: 1, hash: '' } },
  { type: 'end', id: 3, run: 3 },
  { type: 'trim', id: 4 },
  { type: 'remove', id: 4, stream: 'a/b' },
  { type: 'set-cursor', id: 4, ...CURSOR },
  { type: 'remove-cursor', id: 4, name: 'c' },
  { type: 'pin', id: 4 },
  { type: 'txn-open', ...OF_COPY, samplesPerEvent: 100 },
  { type: 'txn-position', ...OF_COPY, epoch: 9 },
  { type: 'txn-begin', ...OF_COPY, epoch: 9, lo: 1 },
  { type: 'txn-append', id: 6, txn: '9-1' },
  { type: 'txn-flush', id: 6, txn: '9-1' },
  {
    ...{ type: 'txn-commit', ...OF_COPY, epoch: 9, txn: '9-1', lo: 1, hi: 4, count: 4 },
    ...{ before: 0n, chain: 2n ** 64n - 1n },
  },
  { type: 'txn-abort', id: 6, txn: '9-1' },
  { type: 'status', id: 7 },
  { type: 'reload', id: 7 },
  { type: 'yield', id: 7 },
];
const LIMITS = { eventLimit: 2 ** 20, groupLimit: 2 ** 22 };
const REPLIES: { type: string; [field: string]: unknown }[] = [
  { type: 'hello', version: 1, program: 'helicorder 1' },
  { type: 'opened', id: 1, run: 3, epoch: 9, lastSeq: 0, ...LIMITS },
  { type: 'appended', id: 1, firstSeq: 1, firstOffset: 0 },
  { type: 'done', id: 1 },
  { type: 'position', id: 1, epoch: 9, last: 4, chain: 7n, ...LIMITS },
  { type: 'begun', id: 1, txn: '9-1' },
  { type: 'committed', id: 1, firstOffset: 0, endOffset: 4 },
  { type: 'refused', id: 1, outcome: 'REJECTED', reason: 'EPOCH' },
  { type: 'report', id: 1 },
  { type: 'failed', id: null, code: 'USAGE', message: 'no' },
  { type: 'waiting', message: 'the disk is full' },
  { type: 'closing' },
];

function messages(): MadeInput[] {
  const made = (
    decoder: string,
    message: { type: string },
    name: string = message.type,
  ): MadeInput => {
    const bytes = utf8(JSON.stringify(encodeHead(message)));
    return { decoder, name, bytes, extension: 'json' };
  };
  const prepared = { type: 'txn-flush', id: 6, txn: '9-1', count: 4, crc: 2 ** 32 - 1 };
  const message = 'a transaction holds at most 500 records';
  const told = { type: 'refused', id: 1, outcome: 'REJECTED', reason: 'LIMIT', message };
  const hello = { type: 'hello', protocol: 'helicorder-control' };
  return [
    ...REQUESTS.map((message) => made('control-request', message)),
    ...REPLIES.map((message) => made('control-reply', message)),
    made('control-request', prepared, 'prepared-txn-flush'),
    made('control-reply', told, 'beyond-a-limit'),
    made('control-hello', { ...hello, version: 1 } as never),
    made('control-hello', { ...hello, version: 2 } as never, 'version-2'),
  ];
}

function frames(): MadeInput[] {
  const events = encodeEventList([utf8('one'), utf8(''), utf8('three')]);
  const long = encodeEventList([utf8('x'.repeat(300))]);
  const one = encodeFrame({ id: 2, type: 'append', run: '3' }, events);
  const two = Uint8Array.from([...encodeFrame({ id: 4, type: 'status' }), ...one]);
  const report = utf8(JSON.stringify({ streams: [{ name: 'a/b', records: '12' }] }));
  return [
    { decoder: 'control-frames', name: 'an-append', bytes: one },
    { decoder: 'control-frames', name: 'two-frames', bytes: two },
    { decoder: 'control-frames', name: 'half-a-frame', bytes: one.slice(0, 9) },
    { decoder: 'control-events', name: 'three', bytes: events },
    { decoder: 'control-events', name: 'a-long-one', bytes: long },
    { decoder: 'control-report', name: 'an-object', bytes: report, extension: 'json' },
  ];
}

const YAML = `store: {dir: /data, flush: 250ms, budget: {bytes: 2GiB}}
defaults: {rate: 100, retain: {age: 30d}}
streams: [{stream: "lab/*", onFull: drop-oldest}]
copies: [{from: "lab/*", to: /mnt/far, follow: true, bandwidth: 1MiB}]
sources:
  - {source: synthetic, stream: lab/rig, count: 3, rate: 2kHz, seed: 7}
  - {source: network, stream: lab/net, statistics: &some [rx_bytes], name: "\${NAME:-net}"}
`;
const TOML = `realtime = "off"
[store]
dir = "/data"
flush = "1.5s"
[[sources]]
source = "sysfs"
stream = "lab/heat"
channels = [{ name = "T", path = "/sys/class/thermal/x/temp", type = "i32", scale = 0.001 }]
`;
const SETTINGS = `HELICORDER_RATE 100
source network
interface lo
flush-ms 20
statistics rx_bytes,tx_bytes
`;

function inputs(): MadeInput[] {
  const made = (decoder: string, name: string, text: string, extension: string): MadeInput => {
    return { decoder, name, bytes: utf8(text), extension };
  };
  const framed = (framing: string, name: string, bytes: Uint8Array): MadeInput => {
    return { decoder: `events-${framing}`, name, bytes: Uint8Array.from([3, ...bytes]) };
  };
  const list = encodeEventList([utf8('one'), utf8(''), utf8('x'.repeat(40))]);
  return [
    made('config-yaml', 'everything', YAML, 'yaml'),
    made('config-yaml', 'nothing', '', 'yaml'),
    made('config-toml', 'a-thermometer', TOML, 'toml'),
    made('config-settings', 'a-few', SETTINGS, 'txt'),
    framed('lines', 'three', utf8('one\n\nthree and no end')),
    framed('lines', 'as-long-as-may-be', utf8(`${'x'.repeat(64)}\n`)),
    framed('lines', 'carriage-returns', utf8('a\r\nb\r\n')),
    framed('length32', 'three', list),
    ...Object.entries({ 0: '17', 4: '-300000', 7: '18446744073709551615', 9: '0.5e-3' }).map(
      ([type, text]): MadeInput => {
        const bytes = Uint8Array.from([Number(type), ...utf8(text)]);
        return { decoder: 'sysfs-number', name: `type-${type}`, bytes };
      },
    ),
    made('machine-id', 'a-machine', `${hex}\n`, 'txt'),
    ...['now', '2026-11-25T14:30:00.5+01:00', '-1h', '2026-11-25', '1700000000000000000'].map(
      (text, i) => made('time', `form-${i + 1}`, text, 'txt'),
    ),
  ];
}

/** What is written durably while `write` runs. */
function written(write: (fs: FileSystem) => void): Uint8Array {
  let content = new Uint8Array(0);
  const writeFileDurably = (_: string, bytes: Uint8Array): void => {
    content = bytes.slice();
  };
  write({ writeFileDurably, openMark: () => undefined } as unknown as FileSystem);
  return content;
}

function smallFiles(): MadeInput[] {
  const [storeId, machineId] = [new Uint8Array(16).fill(7), new Uint8Array(16).fill(9)];
  const made = { createdNanos: 17n, segmentBytes: 2 ** 20 };
  const storeJson = (origin: Uint8Array | undefined): Uint8Array =>
    written((fs) => writeStoreJson(fs, 'd', { storeId, machineId, ...made, origin }));
  const ids = { storeId, bootId: '0f1e2d3c-0000-4000-8000-0123456789ab', generation: 3 };
  const page = written((fs) => void createMark(fs, 'd', ids));
  const mark = Uint8Array.from([...page.subarray(0, 88), ...page.subarray(-4)]);
  const check = new DataView(mark.buffer);
  check.setBigUint64(64, 2n ** 32n + 4096n, true);
  const crc = crc32c(Uint8Array.from([...mark.subarray(40, 48), ...mark.subarray(64, 72)]));
  check.setBigUint64(72, (BigInt(~crc >>> 0) << 32n) | BigInt(crc), true);
  const range = { file: 'log/1.seg', offset: '0', length: '8', what: 'torn', as: '1.bin' };
  const entry = { ...range, crc: '0', taken: '17', unreadable: [['0', '4096']] };
  const manifest = JSON.stringify({ format: 1, entries: [entry] });
  const json = { extension: 'json' } as const;
  return [
    { decoder: 'store-json', name: 'a-store', bytes: storeJson(undefined), ...json },
    { decoder: 'store-json', name: 'moved', bytes: storeJson(machineId), ...json },
    { decoder: 'mark', name: 'open', bytes: mark },
    { decoder: 'quarantine-manifest', name: 'one-entry', bytes: utf8(manifest), ...json },
  ];
}
