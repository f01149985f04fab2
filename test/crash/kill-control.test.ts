/**
 * Producers that write through the owner's control socket, killed −9 at random moments, and so is
 * the owner: what was acknowledged is there once, in order, byte for byte.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import type { VerifyReport } from '../../engine/tools/types.ts';
import {
  helicorder,
  helicorderJson,
  helicorderOut,
  nextOwner,
  type Program,
} from '../support/cli.ts';
import { temporaryDirectory } from '../support/directory.ts';
import { SEED, SeededRandom, repeats } from '../support/random.ts';
import { parseRecords } from '../support/records.ts';

const KILLS = repeats(100);
const PENS = ['pen-0', 'pen-1'];
const LINES_PER_LIFE = 300;

interface Acknowledgement {
  seq: string;
  offset: string;
}

/** Line number `seq` of a producer: a function of both, of changing length. */
function inputLine(pen: string, seq: number): string {
  const random = new SeededRandom(SEED ^ seq);
  const padding = random.below(20) === 0 ? random.below(20_000) : random.below(100);
  return `${pen} ${seq} ${String.fromCharCode(97 + (seq % 26)).repeat(padding)}`;
}

class Producer {
  readonly pen: string;
  readonly stream: string;
  readonly acknowledged = new Map<string, string>();
  durable = 0;
  #lastSeq = 0;
  #writer: Program | undefined;

  constructor(pen: string) {
    this.pen = pen;
    this.stream = `crash/${pen}`;
  }

  /** Opens its writer, which tells how far it is, and sends lines from there. */
  async start(dir: string, lines: number): Promise<void> {
    const words = ['stream', 'write', this.stream, '--writer', this.pen, '--ack'];
    const writer = helicorder([...words, '--data-dir', dir]);
    this.#writer = writer;
    const opened = JSON.parse(await writer.stdout.next()) as { writer: string; lastSeq: string };
    expect(opened.writer).toBe(this.pen);
    this.#lastSeq = Number(opened.lastSeq);
    expect(this.#lastSeq, `HELICORDER_SEED=${SEED}`).toBeGreaterThanOrEqual(this.durable);
    for (let seq = this.#lastSeq + 1; seq <= this.#lastSeq + lines; seq++) {
      writer.write(`${inputLine(this.pen, seq)}\n`);
    }
  }

  async acknowledgements(count: number): Promise<void> {
    for (let i = 0; i < count; i++) await this.#writer!.stdout.next();
  }

  async kill(): Promise<void> {
    await this.#writer!.kill();
    this.#take();
  }

  /** Its owner is gone. */
  async breaks(): Promise<void> {
    const { code, stderr } = await this.#writer!.ended;
    expect([code, stderr], `HELICORDER_SEED=${SEED}`).toEqual([69, expect.stringMatching(/gone/)]);
    this.#take();
  }

  async finish(): Promise<number> {
    this.#writer!.endInput();
    const { code, stderr } = await this.#writer!.ended;
    expect(code, stderr).toBe(0);
    this.#take();
    return this.durable;
  }

  #take(): void {
    const acks = this.#writer!.stdout.all.slice(1).map(
      (line) => JSON.parse(line) as Acknowledgement,
    );
    for (const { seq, offset } of acks) this.acknowledged.set(seq, offset);
    expect(acks.map(({ seq }) => Number(seq))).toEqual(acks.map((_, i) => this.#lastSeq + 1 + i));
    this.durable = Math.max(this.durable, Number(acks.at(-1)?.seq ?? 0));
  }
}

async function startOwner(dir: string): Promise<Program> {
  const isThere = nextOwner(dir, 'control');
  const owner = helicorder(['run', '--source', 'synthetic', '--data-dir', dir], {
    lifeMs: 150_000,
  });
  await isThere;
  return owner;
}

test(
  `${KILLS} kills of producers and owners: every acknowledgement was true`,
  async () => {
    const dir = temporaryDirectory();
    const random = new SeededRandom(SEED);
    const producers = PENS.map((pen) => new Producer(pen));
    let owner = await startOwner(dir);

    for (let kill = 0; kill < KILLS; kill++) {
      await Promise.all(producers.map((producer) => producer.start(dir, LINES_PER_LIFE)));
      await producers[kill % 2]!.acknowledgements(random.below(LINES_PER_LIFE));
      await sleep(random.next() * 5);
      if (random.below(2) === 0) {
        await Promise.all(producers.map((producer) => producer.kill()));
        continue;
      }
      await owner.kill();
      for (const producer of producers) await producer.breaks();
      expect(existsSync(join(dir, 'control'))).toBe(true);
      owner = await startOwner(dir);
    }

    for (const producer of producers) {
      await producer.start(dir, 10);
      await producer.acknowledgements(10);
      await check(dir, producer, await producer.finish());
    }
    owner.signal('SIGTERM');
    expect((await owner.ended).code).toBe(0);
    expect(existsSync(join(dir, 'control'))).toBe(false);
    const report = await helicorderJson<VerifyReport>(['verify', '--data-dir', dir]);
    expect(report).toMatchObject({ ok: true, damage: [] });
  },
  60_000 + 15_000 * KILLS,
);

async function check(dir: string, { pen, stream, acknowledged }: Producer, last: number) {
  const where = `${stream}, HELICORDER_SEED=${SEED}`;
  const words = ['stream', 'cat', stream, '--data-dir', dir];
  const expected = Array.from({ length: last }, (_, i) => `${inputLine(pen, i + 1)}\n`);
  expect((await helicorderOut(words)) === expected.join(''), where).toBe(true);

  const lines = (await helicorderOut([...words, '--format', 'ndjson-records'])).split('\n');
  const records = parseRecords(lines);
  const offsets = new Map(records.map(({ seq, offset }) => [seq, offset]));
  for (const [seq, offset] of acknowledged) expect(offsets.get(seq), where).toBe(offset);
  expect(records.map(({ offset }) => Number(offset))).toEqual(records.map((_, i) => i));
}
