/**
 * `stream cp --follow` between two recorders, one of the three killed −9 at random moments: for the
 * others that is a connection that is cut. In the end both stores hold the same.
 */
import { createHash } from 'node:crypto';
import { Store } from '../store/store.ts';
import { cat } from '../tools/cat.ts';
import type { Child } from './child.ts';
import { BOX, type Lab, type StepResult } from './lab.ts';
import { BrokenPromise, promised } from './promise.ts';

const LEAST_KILLS = 3;
/** Moments are chosen from so many times what a start and an end take here, or from this. */
const STARTS = 2;
const MOMENT_MIN_MS = 800;
const STORE = { flush: '20ms', segmentSize: '1MiB' };

export async function copyUnderKills(lab: Lab): Promise<StepResult> {
  const [from, to] = [`${lab.dir}/copy-from`, `${lab.dir}/copy-to`];
  const source = lab.configure('source', STORE, { rate: 2000, channels: 5 });
  const target = lab.configure('target', STORE, { rate: 100, stream: 'selftest/own' });
  const startMs = lab.nowMs();
  await lab.run(['run', '--config', source, '--data-dir', from, '--quiet', '--duration', '100ms']);
  const momentMs = Math.max(MOMENT_MIN_MS, STARTS * (lab.nowMs() - startMs));
  const words = ['stream', 'cp', BOX, '--data-dir', from, '--to-data-dir', to];
  const run = (config: string, dir: string): string[] => [
    ...['run', '--config', config, '--data-dir', dir, '--quiet', '--duration', '150s'],
  ];
  const actors = [
    new Actor(lab, run(source, from)),
    new Actor(lab, run(target, to)),
    new Actor(lab, [...words, '--follow', '--quiet']),
  ];
  let kills = 0;
  for (; kills < LEAST_KILLS || lab.hasTime; kills++) {
    await lab.pause(lab.chance.next() * momentMs);
    await actors[lab.chance.below(actors.length)]!.kill();
    lab.progress(`${kills} kills`);
  }
  await lab.pause(momentMs);
  for (const actor of actors) await actor.end();
  await lab.run([...words, '--quiet']);
  const { records } = JSON.parse((await lab.run([...words, '--json'])).stdout) as {
    records: string;
  };
  promised(records === '0', () => `a copy that is complete copied ${records} records once more`);
  return compare(lab, from, to, kills);
}

/** One that should run, started again whenever it has been killed. */
class Actor {
  readonly #lab: Lab;
  readonly #words: readonly string[];
  #child: Child;

  constructor(lab: Lab, words: readonly string[]) {
    this.#lab = lab;
    this.#words = words;
    this.#child = lab.start(words);
  }

  async kill(): Promise<void> {
    const ended = await this.#child.kill();
    if (ended.signal !== 'SIGKILL') this.#child.expectWell(ended);
    promised(ended.signal === 'SIGKILL', () => `"${this.#words.join(' ')}" ended by itself`);
    this.#child = this.#lab.start(this.#words);
  }

  async end(): Promise<void> {
    await this.#child.stop();
  }
}

async function compare(lab: Lab, from: string, to: string, kills: number): Promise<StepResult> {
  const [there, here] = [await digestOf(lab, from), await digestOf(lab, to)];
  const [a, b] = [await lab.verified(from), await lab.verified(to)];
  const [source, copy] = [a, b].map(({ streams }) => streams.find(({ name }) => name === BOX));
  promised(
    copy !== undefined && copy.records === source?.records,
    () => `the source has ${source?.records} records, the copy ${copy?.records ?? 'none'}`,
  );
  promised(there === here, () => 'the copy holds as many records as its source, and others');
  return {
    found: [
      `${kills} kills −9 of source, target and copy: ${copy!.records} records (samples, gaps and ` +
        'their ledger) are the same on both sides, each once',
    ],
    counts: { kills, records: Number(copy!.records) },
  };
}

/** Of every record with its ledger: origin, seq, offset, ticks, gaps and times. */
async function digestOf({ environment }: Lab, dir: string): Promise<string> {
  const store = Store.open(dir, environment);
  const digest = createHash('sha256');
  const onDamage = ({ file, what }: { file: string; what: string }): never => {
    throw new BrokenPromise(`damage: ${file}: ${what}`);
  };
  const form = { withLedger: true, follow: false, onDamage } as const;
  try {
    for await (const piece of cat(store, { stream: BOX, from: 'start', ...form })) {
      digest.update(piece);
    }
    return digest.digest('hex');
  } finally {
    store.close();
  }
}
