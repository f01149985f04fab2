/**
 * `stream cp --follow` between two stores, of all streams of a recorder and of one derived from the
 * first of them, while the recorder fills the source and now and then one records into the target
 * too; one of them is killed −9 at a random moment, again and again, and started anew. In the end
 * the target holds what the source holds, record by record, and nobody had to do anything about it.
 *
 * The soak has eleven sources of one channel at 20 kHz, the most that a source can have: more than
 * 200,000 samples a second while the recorder records, and a sample is one reading of a source.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import type { VerifyReport } from '../../engine/tools/types.ts';
import { helicorder, helicorderJson, helicorderOut, helicorderRun } from '../support/cli.ts';
import { count } from '../support/counts.ts';
import { temporaryDirectory } from '../support/directory.ts';
import { SEED, SeededRandom, repeats } from '../support/random.ts';
import { expectSameRecords, filtered, partsOf, type Same } from '../support/record-parts.ts';

const isSoak = process.env['HELICORDER_SOAK'] !== undefined;
const BASE = 'crash/box';
/** More than 200,000 together, since some come late. */
const [SOURCES, RATE] = isSoak ? [11, 20_000] : [2, 2000];
const STREAMS = Array.from({ length: SOURCES }, (_, i) => `${BASE}-${i}`);
const [STREAM] = STREAMS as [string];
/** Where the derived copy ends, and what it keeps. */
const DERIVED = 'crash/derived';
const WHERE = 'Ch0 > 0';
const KILLS = repeats(200);
/** One transaction of all there is: what is more than a group is spilled. */
const ANY_NUMBER = '1000000000';
/** In about this time any of them has started: moments are chosen from it. */
const START_MS = 1200;
/** So far the two sides are held against each other as texts too. */
const TEXT_RECORDS = '200000';
/** Some are never killed, and it takes long beside other work. */
const LIFE_MS = KILLS * START_MS * 10;

type Role = 'recorder' | 'derived' | 'target' | { copyOf: string };

function argumentsOf(role: Role, from: string, to: string): string[] {
  const synthetic = ['--source', 'synthetic', '--flush-ms', '20', '--quiet'];
  const ends = ['--data-dir', from, '--to-data-dir', to];
  if (typeof role === 'object') {
    return ['stream', 'cp', role.copyOf, ...ends, '--follow', '--quiet'];
  }
  switch (role) {
    case 'recorder':
      return [
        ...['run', '--data-dir', from, '--stream', BASE, '--count', String(SOURCES)],
        ...['--rate', String(RATE), '--channels', '1', '--json', ...synthetic],
      ];
    case 'derived':
      return [
        ...['stream', 'cp', STREAM, DERIVED, '--where', WHERE, '--follow', '--quiet'],
        ...[...ends, '--batch-records', ANY_NUMBER],
      ];
    case 'target':
      return ['run', '--data-dir', to, '--stream', 'crash/own', '--rate', '100', ...synthetic];
  }
}

/** One that should run, started again whenever it has gone. */
class Actor {
  readonly #arguments: string[];
  #program: ReturnType<typeof helicorder>;

  constructor(role: Role, from: string, to: string) {
    this.#arguments = argumentsOf(role, from, to);
    this.#program = helicorder(this.#arguments, { lifeMs: LIFE_MS });
  }

  /** Resolves once the present one has said something, as a recorder does that records. */
  async speaks(): Promise<void> {
    await this.#program.stdout.next();
  }

  get #name(): string {
    return this.#arguments.join(' ');
  }

  async kill(): Promise<void> {
    const { code, signal, stderr } = await this.#program.kill();
    expect(signal, `${this.#name} ended by itself with ${code}: ${stderr}`).toBe('SIGKILL');
    this.#program = helicorder(this.#arguments, { lifeMs: LIFE_MS });
  }

  async end(): Promise<void> {
    this.#program.signal('SIGTERM');
    const { code, signal, stderr } = await this.#program.ended;
    // while it starts it has no way yet to end well
    if (signal === 'SIGTERM') return;
    expect(code, `${this.#name}: ${stderr}`).toBe(0);
  }
}

test(`${KILLS} kills of copies and of the recorders beside them: both stores hold the same`, async () => {
  const [from, to] = [temporaryDirectory(), temporaryDirectory()];
  await killAtRandom(from, to);
  const ends = ['--data-dir', from, '--to-data-dir', to];
  for (const stream of STREAMS) await helicorderOut(['stream', 'cp', stream, ...ends]);
  await helicorderOut(['stream', 'cp', STREAM, DERIVED, '--where', WHERE, ...ends]);
  const again = await helicorderRun(['stream', 'cp', STREAM, ...ends, '--json']);
  expect(JSON.parse(again.stdout)).toMatchObject({ records: '0', done: true });

  const flow = { samples: 0, seconds: 0 };
  for (const stream of STREAMS) {
    const where = `HELICORDER_SEED=${SEED}: ${stream}`;
    const same = await expectSameRecords(partsOf(from, stream), partsOf(to, stream), where);
    expect(same.samples, where).toBeGreaterThan(1000);
    flow.samples += same.samples;
    flow.seconds = Math.max(flow.seconds, recordedTicks(same) / RATE);
  }
  const kept = filtered(partsOf(from, STREAM), 0, (raw) => raw > 0);
  await expectSameRecords(kept, partsOf(to, DERIVED), `HELICORDER_SEED=${SEED}: ${DERIVED}`);
  const rate = Math.round(flow.samples / flow.seconds);
  count('samples copied', flow.samples);
  count('samples a second', rate);
  if (isSoak) expect(rate, 'samples a second').toBeGreaterThan(200_000);
  await expectSameSaid(from, to);
});

/** Ticks of a stream while somebody recorded, whether there is a sample of each or not. */
function recordedTicks({ samples, gapTicks }: Same): number {
  const away = ['crash', 'stopped'];
  return [...gapTicks].reduce((sum, [why, n]) => sum + (away.includes(why) ? 0 : n), samples);
}

async function killAtRandom(from: string, to: string): Promise<void> {
  const random = new SeededRandom(SEED);
  await helicorderOut([...argumentsOf('recorder', from, to), '--duration', '100ms']);
  const recorder = new Actor('recorder', from, to);
  const copies = STREAMS.map((copyOf) => new Actor({ copyOf }, from, to));
  const derived = new Actor('derived', from, to);
  let target: Actor | undefined;
  for (let kills = 0; kills < KILLS;) {
    // other moments lie in its start
    if (random.below(2) === 0) await recorder.speaks();
    await sleep(random.next() * START_MS);
    const copy = copies[random.below(copies.length)]!;
    const victim = [recorder, copy, derived, target][random.below(4)];
    if (victim === undefined) {
      // nobody dies of that
      target = new Actor('target', from, to);
      continue;
    }
    await victim.kill();
    kills++;
    count('kills');
  }
  await sleep(START_MS);
  for (const actor of [recorder, ...copies, derived, target]) await actor?.end();
}

/** Whatever can be asked of both is answered alike. */
async function expectSameSaid(from: string, to: string): Promise<void> {
  const text = (dir: string): Promise<string> =>
    helicorderOut([
      ...['stream', 'cat', STREAM, '--with-ledger', '--to', TEXT_RECORDS],
      ...['--data-dir', dir],
    ]);
  expect((await text(to)) === (await text(from)), `HELICORDER_SEED=${SEED}: cat`).toBe(true);
  const gapsOf = (dir: string): Promise<unknown> =>
    helicorderJson(['gaps', STREAM, '--data-dir', dir]);
  expect(await gapsOf(to)).toEqual(await gapsOf(from));
  const verified = (dir: string): Promise<VerifyReport> =>
    helicorderJson<VerifyReport>(['verify', '--data-dir', dir]);
  const [there, here] = [await verified(from), await verified(to)];
  expect(here).toMatchObject({ ok: true, damage: [] });
  for (const stream of there.streams) {
    expect(here.streams.find(({ name }) => name === stream.name)).toEqual(stream);
  }
}
