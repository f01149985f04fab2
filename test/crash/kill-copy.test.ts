/**
 * `stream cp --follow` between two stores, one of all records and a derived one, while a recorder
 * fills the source and now and then one records into the target too; one of them is killed −9 at a
 * random moment, again and again, and started anew. In the end the target holds what the source
 * holds, record by record, and nobody had to do anything about it.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import type { VerifyReport } from '../../engine/tools/types.ts';
import { helicorder, helicorderJson, helicorderOut, helicorderRun } from '../support/cli.ts';
import { count } from '../support/counts.ts';
import { temporaryDirectory } from '../support/directory.ts';
import { SEED, SeededRandom, repeats } from '../support/random.ts';
import { parseRecords } from '../support/records.ts';
import { recordLines } from '../support/stores.ts';

const STREAM = 'crash/box';
/** Where the derived copy ends, and what it keeps. */
const DERIVED = 'crash/derived';
const WHERE = 'Ch0 > 0';
const KILLS = repeats(200);
/** One transaction of all there is: what is more than a group is spilled. */
const ANY_NUMBER = '1000000000';
/** In about this time any of them has started: moments are chosen from it. */
const START_MS = 1200;
/** 10 channels at 20 kHz are 200,000 samples a second; fewer where it is not the subject. */
const RATE = process.env['HELICORDER_SOAK'] ? '20000' : '2000';

type Role = 'recorder' | 'copy' | 'derived' | 'target';

function argumentsOf(role: Role, from: string, to: string): string[] {
  const synthetic = ['--source', 'synthetic', '--flush-ms', '20', '--quiet'];
  switch (role) {
    case 'recorder':
      return [
        ...['run', '--data-dir', from, '--stream', STREAM, '--rate', RATE, '--channels', '10'],
        ...synthetic,
      ];
    case 'copy':
      return [
        'stream',
        'cp',
        STREAM,
        '--data-dir',
        from,
        '--to-data-dir',
        to,
        '--follow',
        '--quiet',
      ];
    case 'derived':
      return [
        ...['stream', 'cp', STREAM, DERIVED, '--where', WHERE, '--follow', '--quiet'],
        ...['--data-dir', from, '--to-data-dir', to, '--batch-records', ANY_NUMBER],
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
    this.#program = helicorder(this.#arguments);
  }

  get #name(): string {
    return this.#arguments.join(' ');
  }

  async kill(): Promise<void> {
    const { code, signal, stderr } = await this.#program.kill();
    expect(signal, `${this.#name} ended by itself with ${code}: ${stderr}`).toBe('SIGKILL');
    this.#program = helicorder(this.#arguments);
  }

  async end(): Promise<void> {
    this.#program.signal('SIGTERM');
    const { code, signal, stderr } = await this.#program.ended;
    // while it starts it has no way yet to end well
    if (signal === 'SIGTERM') return;
    expect(code, `${this.#name}: ${stderr}`).toBe(0);
  }
}

test(`${KILLS} kills of a copy and of the recorders beside it: both stores hold the same`, async () => {
  const [from, to] = [temporaryDirectory(), temporaryDirectory()];
  const random = new SeededRandom(SEED);
  await helicorderOut([...argumentsOf('recorder', from, to), '--duration', '100ms']);
  const recorder = new Actor('recorder', from, to);
  const copy = new Actor('copy', from, to);
  const derived = new Actor('derived', from, to);
  let target: Actor | undefined;
  for (let i = 0; i < KILLS; i++) {
    await sleep(random.next() * START_MS);
    const victim = [recorder, copy, derived, target][random.below(4)];
    if (victim === undefined) target = new Actor('target', from, to);
    else await victim.kill();
    count('kills');
  }
  await sleep(START_MS);
  await recorder.end();
  await copy.end();
  await derived.end();
  await target?.end();

  const names = ['--data-dir', from, '--to-data-dir', to];
  await helicorderOut(['stream', 'cp', STREAM, ...names]);
  const again = await helicorderRun(['stream', 'cp', STREAM, ...names, '--json']);
  expect(JSON.parse(again.stdout)).toMatchObject({ records: '0', done: true });
  const all = (dir: string): Promise<string> =>
    helicorderOut(['stream', 'cat', STREAM, '--data-dir', dir, '--with-ledger']);
  const [there, here] = [await all(from), await all(to)];
  expect(here.length).toBeGreaterThan(1000);
  const [lines, copied] = [there.split('\n'), here.split('\n')];
  const first = lines.findIndex((line, i) => line !== copied[i]);
  const where = `HELICORDER_SEED=${SEED}: event ${first} of ${lines.length}, ${copied.length}`;
  expect([copied[first], where]).toEqual([lines[first], where]);
  for (const what of ['gaps', 'verify']) {
    const name = what === 'gaps' ? [STREAM] : [];
    const [a, b] = [
      await helicorderJson<VerifyReport>([what, ...name, '--data-dir', from]),
      await helicorderJson<VerifyReport>([what, ...name, '--data-dir', to]),
    ];
    if (what === 'gaps') expect(b).toEqual(a);
    else {
      expect(b).toMatchObject({ ok: true, damage: [] });
      expect(b.streams.find(({ name: own }) => own === STREAM)).toEqual(a.streams[0]);
    }
  }
  await expectDerived(from, to);
});

/** The derived copy, brought to its end: what a filter of the source's records gives. */
async function expectDerived(from: string, to: string): Promise<void> {
  const ends = ['--data-dir', from, '--to-data-dir', to];
  await helicorderOut(['stream', 'cp', STREAM, DERIVED, '--where', WHERE, ...ends]);
  const expected = parseRecords(await recordLines(from, STREAM, 0)).map((record) => {
    const { type, offset, seq, tick, values } = record;
    const isLeft = type === 'sample' && !(Number(values['Ch0']) > 0);
    return isLeft ? `left ${offset} ${seq} ${tick}` : JSON.stringify(record);
  });
  const found = parseRecords(await recordLines(to, DERIVED, 0)).flatMap((record) => {
    if (record.reason !== 'filtered') return [JSON.stringify(record)];
    const { offset, seq, firstTick } = record;
    return Array.from({ length: Number(record.records) }, (_, i) =>
      ['left', ...[offset, seq, firstTick].map((first) => Number(first) + i)].join(' '),
    );
  });
  const first = expected.findIndex((text, i) => text !== found[i]);
  const where = `HELICORDER_SEED=${SEED}: record ${first} of ${expected.length}, ${found.length}`;
  expect([found[first], where]).toEqual([expected[first], where]);
  expect(found.length, where).toBe(expected.length);
}
