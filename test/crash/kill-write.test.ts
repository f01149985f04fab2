/** `stream write --ack` killed −9 at random moments, and a producer that resumes where it was. */
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import type { VerifyReport } from '../../engine/tools/types.ts';
import { helicorder, helicorderJson, helicorderOut, type Program } from '../support/cli.ts';
import { count } from '../support/counts.ts';
import { temporaryDirectory } from '../support/directory.ts';
import { SEED, SeededRandom, repeats } from '../support/random.ts';
import { parseRecords } from '../support/records.ts';

const STREAM = 'crash/lines';
const KILLS = repeats(100);
const LINES_PER_LIFE = 400;

interface Acknowledgement {
  seq: string;
  offset: string;
}

/** Line number `seq` of the input: a function of the seq, of changing length. */
function inputLine(seq: number): string {
  const random = new SeededRandom(SEED ^ seq);
  const padding = random.below(20) === 0 ? random.below(20_000) : random.below(100);
  return `${seq} ${String.fromCharCode(97 + (seq % 26)).repeat(padding)}`;
}

/** Starts a writer and tells where it says that it is. */
async function startWriter(dir: string): Promise<{ writer: Program; lastSeq: number }> {
  const words = ['stream', 'write', STREAM, '--data-dir', dir, '--writer', 'pen', '--ack'];
  const writer = helicorder(words);
  const opened = JSON.parse(await writer.stdout.next()) as { writer: string; lastSeq: string };
  expect(opened.writer).toBe('pen');
  return { writer, lastSeq: Number(opened.lastSeq) };
}

function feed(writer: Program, first: number, count: number): void {
  for (let seq = first; seq < first + count; seq++) writer.write(`${inputLine(seq)}\n`);
}

test(
  `${KILLS} kills: the stream is the input, and every acknowledgement was true`,
  async () => {
    const dir = temporaryDirectory();
    const random = new SeededRandom(SEED);
    const acknowledged = new Map<string, string>();
    const take = (lines: readonly string[]): number => {
      const acks = lines.slice(1).map((line) => JSON.parse(line) as Acknowledgement);
      for (const { seq, offset } of acks) acknowledged.set(seq, offset);
      return Number(acks.at(-1)?.seq ?? 0);
    };
    let durable = 0;

    for (let kill = 0; kill < KILLS; kill++) {
      const { writer, lastSeq } = await startWriter(dir);
      const where = `kill ${kill}, HELICORDER_SEED=${SEED}`;
      expect(lastSeq, where).toBeGreaterThanOrEqual(durable);
      feed(writer, lastSeq + 1, LINES_PER_LIFE);
      const patience = random.below(LINES_PER_LIFE);
      for (let acks = 0; acks < patience; acks++) await writer.stdout.next();
      await sleep(random.next() * 5);
      await writer.kill();
      count('kills');
      durable = Math.max(lastSeq, take(writer.stdout.all));
    }

    const { writer, lastSeq } = await startWriter(dir);
    expect(lastSeq).toBeGreaterThanOrEqual(durable);
    feed(writer, lastSeq + 1, 10);
    writer.endInput();
    const { code, stderr } = await writer.ended;
    expect(code, stderr).toBe(0);
    expect(take(writer.stdout.all)).toBe(lastSeq + 10);

    const expected = Array.from({ length: lastSeq + 10 }, (_, i) => `${inputLine(i + 1)}\n`);
    const content = await helicorderOut(['stream', 'cat', STREAM, '--data-dir', dir]);
    expect(content === expected.join(''), `content, HELICORDER_SEED=${SEED}`).toBe(true);

    const words = ['stream', 'cat', STREAM, '--data-dir', dir, '--format', 'ndjson-records'];
    const records = parseRecords((await helicorderOut(words)).split('\n'));
    const offsets = new Map(records.map(({ seq, offset }) => [seq, offset]));
    for (const [seq, offset] of acknowledged) {
      expect(offsets.get(seq), `seq ${seq}, HELICORDER_SEED=${SEED}`).toBe(offset);
    }
    expect(records.map(({ offset }) => Number(offset))).toEqual(records.map((_, i) => i));

    const report = await helicorderJson<VerifyReport>(['verify', '--data-dir', dir]);
    expect(report).toMatchObject({ ok: true, damage: [] });
    const [stream] = report.streams;
    expect(stream!.writers).toHaveLength(1);
    expect(stream!.writers[0]).toMatchObject({ id: 'pen', firstSeq: '1' });
  },
  60_000 * (KILLS + 1),
);
