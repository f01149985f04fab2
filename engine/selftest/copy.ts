/**
 * `stream cp --follow` between two recorders: first one of the three is killed −9 at random
 * moments, then all live, and the connections between them are cut. In the end both stores hold
 * the same.
 */
import { createHash } from 'node:crypto';
import { Store } from '../store/store.ts';
import { cat } from '../tools/cat.ts';
import type { Child, Ended } from './child.ts';
import { BOX, type Lab, type StepResult } from './lab.ts';
import { BrokenPromise, promised } from './promise.ts';
import { Relay } from './relay.ts';

const LEAST_KILLS = 3;
const LEAST_CUTS = 10;
/** Of the time; the rest is for cuts. */
const KILLS_SHARE = 0.6;
/** The least number of cuts has come long before, unless the copy has given up. */
const CUTS_MAX_MS = 60_000;
const LOOK_AGAIN_MS = 50;
/** Moments are chosen from so many times what a start and an end take here, or from this. */
const STARTS = 2;
const MOMENT_MIN_MS = 800;
const STORE = { flush: '20ms', segmentSize: '1MiB' };

export async function copyUnderFire(lab: Lab): Promise<StepResult> {
  const [from, to] = [`${lab.dir}/copy-from`, `${lab.dir}/copy-to`];
  const source = lab.configure('source', STORE, { rate: 2000, channels: 5 });
  const target = lab.configure('target', STORE, { rate: 100, stream: 'selftest/own' });
  const momentMs = await momentOf(lab, ['run', '--config', source, '--data-dir', from]);
  const words = ['stream', 'cp', BOX, '--data-dir', from, '--to-data-dir', to];
  const owners = [new Owner(lab, source, from), new Owner(lab, target, to)];
  const copy = new Actor(lab, [...words, '--follow', '--quiet']);
  const kills = await kill(lab, [...owners, copy], momentMs);
  const cuts = await cut(lab, owners, copy);
  await lab.pause(momentMs);
  for (const actor of [...owners, copy]) await actor.end();
  await lab.run([...words, '--quiet']);
  const { records } = JSON.parse((await lab.run([...words, '--json'])).stdout) as {
    records: string;
  };
  promised(records === '0', () => `a copy that is complete copied ${records} records once more`);
  return compare(lab, { from, to, kills, cuts });
}

/** @returns a time in which much happens on this machine, ms */
async function momentOf(lab: Lab, words: readonly string[]): Promise<number> {
  const startMs = lab.nowMs();
  await lab.run([...words, '--quiet', '--duration', '100ms']);
  return Math.max(MOMENT_MIN_MS, STARTS * (lab.nowMs() - startMs));
}

async function kill(lab: Lab, actors: readonly Actor[], momentMs: number): Promise<number> {
  let kills = 0;
  for (; kills < LEAST_KILLS || lab.hasTime(KILLS_SHARE); kills++) {
    await lab.pause(lab.chance.next() * momentMs);
    await actors[lab.chance.below(actors.length)]!.kill();
    lab.progress(`${kills} kills`);
  }
  return kills;
}

/** The copy's connections to both owners, which it makes anew, are cut again and again. */
async function cut(lab: Lab, owners: readonly Owner[], copy: Actor): Promise<number> {
  // the owner is to be the recorder, and not the copy in its place
  await copy.end();
  const relays: Relay[] = [];
  try {
    for (const owner of owners) relays.push(await owner.behindRelay());
    copy.start();
    return await untilCut(lab, relays, copy);
  } finally {
    for (const relay of relays) await relay.close();
  }
}

/** @returns how often it was cut off */
async function untilCut(lab: Lab, relays: readonly Relay[], copy: Actor): Promise<number> {
  const deadlineMs = lab.nowMs() + CUTS_MAX_MS;
  for (;;) {
    const cuts = relays.reduce((sum, relay) => sum + relay.cuts, 0);
    if (cuts >= LEAST_CUTS && !lab.hasTime()) return cuts;
    promised(
      cuts >= LEAST_CUTS || lab.nowMs() < deadlineMs,
      () => `a copy that was cut off ${cuts} times did not come again within a minute`,
    );
    lab.progress(`${cuts} connections cut`);
    await lab.pause(LOOK_AGAIN_MS);
    await copy.check();
  }
}

/** One that should run, started again whenever it has been killed. */
class Actor {
  protected readonly lab: Lab;
  readonly #words: readonly string[];
  protected child: Child;

  constructor(lab: Lab, words: readonly string[]) {
    this.lab = lab;
    this.#words = words;
    this.child = lab.start(words);
  }

  start(): void {
    this.child = this.lab.start(this.#words);
  }

  async kill(): Promise<void> {
    const ended = await this.child.kill();
    if (ended.signal !== 'SIGKILL') this.#endedByItself(ended);
    this.start();
  }

  /** @throws BrokenPromise if it has ended */
  async check(): Promise<void> {
    if (this.child.isEnded) this.#endedByItself(await this.child.ended);
  }

  #endedByItself(ended: Ended): never {
    this.child.expectWell(ended);
    throw new BrokenPromise(`"${this.#words.join(' ')}" ended by itself`);
  }

  async end(): Promise<void> {
    await this.child.stop();
  }
}

class Owner extends Actor {
  readonly #dir: string;

  constructor(lab: Lab, config: string, dir: string) {
    const words = ['run', '--config', config, '--data-dir', dir, '--quiet', '--duration', '150s'];
    super(lab, words);
    this.#dir = dir;
  }

  /** Once it serves its store: whoever connects from now on is cut off by and by. */
  async behindRelay(): Promise<Relay> {
    await this.lab.waitForStatus(this.child, this.#dir, () => true);
    return Relay.before(this.#dir, `${this.#dir}.control`, this.lab.chance);
  }
}

async function compare(
  lab: Lab,
  { from, to, kills, cuts }: { from: string; to: string; kills: number; cuts: number },
): Promise<StepResult> {
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
      `${kills} kills −9 of source, target and copy, ${cuts} connections cut: ${copy!.records} ` +
        'records (samples, gaps and their ledger) are the same on both sides, each once',
    ],
    counts: { kills, cuts, records: Number(copy!.records) },
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
