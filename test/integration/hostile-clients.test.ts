/**
 * Clients that mean harm, or are out of order, at the control socket of a recorder: it goes on
 * sampling, every tick is accounted for, and its rings never run over. How late ticks come depends
 * on the machine and is not judged.
 */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { MIB } from '../../engine/base/constants.ts';
import { encodeFrame } from '../../engine/control/frame.ts';
import type { GapsReport, RecorderStatus, VerifyReport } from '../../engine/tools/types.ts';
import { helicorder, helicorderJson, helicorderOut, nextOwner } from '../support/cli.ts';
import { HELLO, RawClient } from '../support/control.ts';
import { temporaryDirectory } from '../support/directory.ts';
import { SEED, SeededRandom } from '../support/random.ts';

const STREAM = 'plant/box';
/** Its ring, as small as rings are, holds 8 s of this: as long as a busy machine may stall. */
const RATE = '250';
const LIFE_MS = 300_000;
const AT_ONCE = 1000;
const STORMS = 3;
const STORM_MS = 1500;

const random = new SeededRandom(SEED);
const hello = encodeFrame(HELLO);
const open = encodeFrame({ type: 'open', id: 0, stream: 'hostile/x', writer: 'w' });

function lengthOf(bytes: number): Uint8Array {
  const length = new Uint8Array(4);
  new DataView(length.buffer).setUint32(0, bytes, true);
  return length;
}

/** What a client does once it is connected; none of them reads. */
const HOSTILITIES: readonly ((client: RawClient) => void)[] = [
  // nothing at all
  () => undefined,
  // half a hello
  (client) => client.write(hello.subarray(0, hello.length / 2)),
  // 1 GiB, and a little of it
  (client) => client.write(Buffer.concat([lengthOf(1024 * MIB), random.bytes(1000)])),
  (client) => client.write(Buffer.concat([hello, lengthOf(1024 * MIB)])),
  // the largest frame that is allowed, which takes its share of the memory, and never comes
  (client) => client.write(Buffer.concat([hello, lengthOf(8 * MIB), random.bytes(1000)])),
  // garbage
  (client) => client.write(random.bytes(5000)),
  (client) => client.write(Buffer.concat([hello, random.bytes(5000)])),
  // questions without end, whose answers nobody reads
  (client) => {
    client.stopReading();
    const status = encodeFrame({ type: 'status', id: 1 });
    client.write(Buffer.concat([hello, ...Array.from({ length: 500 }, () => status)]));
  },
  // a writer that is opened again and again, and dies
  (client) => {
    client.write(Buffer.concat([hello, open, open, open]));
    setTimeout(() => client.kill(), random.below(50));
  },
];

/** A byte at a time, for as long as it lasts. */
async function trickle(client: RawClient, signal: AbortSignal): Promise<void> {
  const bytes = Buffer.concat([hello, open]);
  for (let i = 0; !signal.aborted && i < bytes.length; i++) {
    client.write(bytes.subarray(i, i + 1));
    await sleep(20);
  }
}

async function storm(path: string): Promise<void> {
  const end = new AbortController();
  const slow = Array.from({ length: 8 }, () => new RawClient(path));
  const trickles = slow.map((client) => trickle(client, end.signal));
  const clients = Array.from({ length: AT_ONCE }, () => new RawClient(path));
  await Promise.all(clients.map((client) => client.connected));
  clients.forEach((client, i) => HOSTILITIES[i % HOSTILITIES.length]!(client));
  await sleep(STORM_MS);
  end.abort();
  await Promise.all(trickles);
  for (const client of [...slow, ...clients]) client.kill();
  await Promise.all([...slow, ...clients].map(({ closed }) => closed));
}

test(
  `${STORMS} storms of ${AT_ONCE} clients cost a recorder no tick (HELICORDER_SEED=${SEED})`,
  { timeout: LIFE_MS },
  async () => {
    const dir = temporaryDirectory();
    const at = ['--data-dir', dir];
    const isThere = nextOwner(dir, 'control');
    const words = ['run', '--source', 'synthetic', '--stream', STREAM, '--rate', RATE, ...at];
    const run = helicorder(words, { lifeMs: LIFE_MS });
    await isThere;
    let samples = 0n;
    for (let i = 0; i < STORMS; i++) {
      await storm(join(dir, 'control'));
      // who means well is served as before
      const status = await helicorderJson<RecorderStatus>(['status', ...at]);
      expect(BigInt(status.samples)).toBeGreaterThan(samples);
      samples = BigInt(status.samples);
      await helicorderOut(['stream', 'write', 'plant/notes', ...at], `note ${i}\n`);
    }
    run.signal('SIGTERM');
    const { code, stderr } = await run.ended;
    expect(code, stderr).toBe(0);

    const report = await helicorderJson<GapsReport>(['gaps', STREAM, ...at]);
    expect(report.imbalances).toEqual([]);
    expect(BigInt(report.samples) + BigInt(report.gapTicks)).toBe(BigInt(report.ticksScheduled));
    const reasons = report.gapsByReason.map(({ reason }) => reason);
    expect(reasons.filter((reason) => reason !== 'late')).toEqual([]);
    const notes = await helicorderOut(['stream', 'cat', 'plant/notes', ...at]);
    expect(notes).toBe(Array.from({ length: STORMS }, (_, i) => `note ${i}\n`).join(''));
    const verified = await helicorderJson<VerifyReport>(['verify', ...at]);
    expect(verified).toMatchObject({ ok: true, damage: [] });
  },
);
