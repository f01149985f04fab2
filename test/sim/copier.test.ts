/**
 * The production copier between a source in memory and both kinds of fake participants, with
 * seeded faults of all kinds at every step; then a phase without faults that must drain. The
 * destination then equals the source, record by record, once.
 */
import { describe, expect, test } from 'vitest';
import { Copier, type CopierOptions, type CopyProgress } from '../../engine/txn/copier.ts';
import type { Participant } from '../../engine/txn/participant.ts';
import type { Timer } from '../../engine/txn/pacing.ts';
import { count } from '../support/counts.ts';
import { FakeNetwork, NO_FAULTS } from '../support/fake-network.ts';
import { FakeSource, type Run } from '../support/fake-source.ts';
import { FakeStoreParticipant, FakeStoreTarget } from '../support/fake-store-participant.ts';
import {
  FakeTwoPhaseParticipant,
  FakeTwoPhaseTarget,
} from '../support/fake-two-phase-participant.ts';
import { meantRecords, testOrigin } from '../support/pieces.ts';
import { SEED, SeededRandom } from '../support/random.ts';

const SEEDS = process.env['HELICORDER_SOAK'] ? 20_000 : 250;
/** Hundreds of lives of a copier, on a machine that may be busy with others. */
const TIMEOUT_MS = process.env['HELICORDER_SOAK'] ? 3_600_000 : 300_000;
const CHANCE = { loseRequest: 0.015, loseReply: 0.015, delay: 0.015, duplicate: 0.015 };

/** Time that passes at once; requests fail by themselves, so no deadline is ever reached. */
class FakeTimer implements Timer {
  #ms = 0;

  nowMs(): number {
    return this.#ms;
  }

  sleep(ms: number): Promise<void> {
    this.#ms += ms;
    return Promise.resolve();
  }

  after(): () => void {
    return () => undefined;
  }
}

interface Scene {
  random: SeededRandom;
  source: FakeSource;
  network: FakeNetwork;
  connect: () => Participant;
  records: readonly string[];
  /** leases that end, outcomes that are forgotten */
  befall: () => void;
}

function runsOf(random: SeededRandom): Run[] {
  const kind = random.below(2) === 0 ? 'samples' : 'opaque';
  return Array.from({ length: 1 + random.below(3) }, (_, i) => {
    const origin = testOrigin(kind, i + 1);
    return { origin, records: meantRecords(random, 1 + random.below(60), origin) };
  });
}

function sceneOf(kind: 'store' | 'two-phase', seed: number): Scene {
  const random = new SeededRandom(seed);
  const source = new FakeSource(runsOf(random), random, random.below(40));
  const network = new FakeNetwork(random);
  const base = { random, source, network };
  const limits = { maxRecords: 5 + random.below(40), maxBytes: 100_000 };
  if (kind === 'store') {
    const target = new FakeStoreTarget(random, limits);
    const connect = () => new FakeStoreParticipant(target, network);
    return { ...base, connect, records: target.records, befall: () => target.expire() };
  }
  const target = new FakeTwoPhaseTarget(random, limits);
  const connect = () => new FakeTwoPhaseParticipant(target, network);
  const befall = () => (random.below(2) ? target.expire() : target.forget());
  return { ...base, connect, records: target.records, befall };
}

/** One life of a copier: it may be killed between any two entries, or stopped. */
async function live(scene: Scene, options: CopierOptions): Promise<string> {
  const { source, random } = scene;
  const copier = new Copier(source, scene.connect(), {
    timer: new FakeTimer(),
    random,
    batchRecords: 1 + random.below(20),
    until: source.lastSeq,
    ...options,
  });
  try {
    return (await copier.run()).ended;
  } catch (error) {
    return (error as Error).message;
  }
}

async function badTimes(scene: Scene): Promise<void> {
  const { source, random, network, befall } = scene;
  network.faults = CHANCE;
  const stop = new AbortController();
  let isAlive = true;
  source.survives = async () => {
    if (random.below(25) === 0) isAlive = false;
    if (!isAlive) stop.abort();
    return isAlive;
  };
  const onProgress = (): void => {
    source.record(random.below(6));
    if (random.below(8) === 0) befall();
    if (random.below(40) === 0) stop.abort();
  };
  await live(scene, { signal: stop.signal, onProgress });
}

async function goodTimes(scene: Scene): Promise<string> {
  const { source, network } = scene;
  network.faults = NO_FAULTS;
  source.survives = () => Promise.resolve(true);
  source.record(Infinity);
  return live(scene, {});
}

describe.each(['store', 'two-phase'] as const)('a copy to a participant of kind %s', (kind) => {
  test(
    `arrives once and in order, whatever happens (${SEEDS} seeds)`,
    async () => {
      for (let seed = SEED; seed < SEED + SEEDS; seed++) {
        const scene = sceneOf(kind, seed);
        count('simulated histories');
        const sent = scene.source.texts();
        for (let lives = scene.random.below(5); lives > 0; lives--) await badTimes(scene);
        const where = `HELICORDER_SEED=${seed}`;
        expect(await goodTimes(scene), where).toBe('done');
        scene.network.deliverZombies();
        expect(scene.records, where).toEqual(sent);
        const acked = scene.source.cursors.map((cursor) => cursor.acked);
        expect(acked, where).toEqual(acked.toSorted((a, b) => a - b));
        expect(acked.at(-1) ?? 0, where).toBe(scene.source.lastSeq);
      }
    },
    TIMEOUT_MS,
  );

  test(
    `records damaged after they were sent raise no alarm (${SEEDS} seeds)`,
    async () => {
      for (let seed = SEED; seed < SEED + SEEDS; seed++) {
        const scene = sceneOf(kind, seed);
        count('simulated histories');
        const before = scene.source.texts();
        for (let lives = 1 + scene.random.below(3); lives > 0; lives--) {
          await badTimes(scene);
          scene.source.damage(scene.random.below(before.length));
        }
        const where = `HELICORDER_SEED=${seed}`;
        expect(await goodTimes(scene), where).toBe('done');
        scene.network.deliverZombies();
        const after = scene.source.texts();
        expect(scene.records, where).toHaveLength(before.length);
        scene.records.forEach((record, i) =>
          expect([before[i], after[i]], where).toContain(record),
        );
      }
    },
    TIMEOUT_MS,
  );

  test('is not done before its last cursor is durable', async () => {
    const scene = sceneOf(kind, SEED);
    scene.source.record(Infinity);
    scene.source.writeCursor = ({ acked }) =>
      acked < scene.source.lastSeq ? Promise.resolve() : Promise.reject(new Error('EIO'));
    expect(await live(scene, {})).toBe('EIO');
    expect(scene.records).toEqual(scene.source.texts());
  });

  test('equal seeds take equal ways', async () => {
    const way = async (): Promise<string> => {
      const scene = sceneOf(kind, SEED);
      for (let lives = 0; lives < 4; lives++) await badTimes(scene);
      return JSON.stringify([scene.source.cursors.map(({ epoch, acked }) => [epoch, acked])]);
    };
    expect(await way()).toBe(await way());
  });
});

describe('a copy that lingers', () => {
  const RECORDS = 50;

  /** @param there of the records from the beginning; one more comes every 10 ms */
  async function copied(there: number, batchRecords: number) {
    const random = new SeededRandom(SEED);
    const origin = testOrigin('opaque', 1);
    const records = meantRecords(random, RECORDS, origin);
    const source = new FakeSource([{ origin, records }], random, there);
    const target = new FakeStoreTarget(random);
    const timer = new FakeTimer();
    const slept = (ms: number): void => source.record(Math.floor(ms / 10));
    let transactions = 0;
    const copier = new Copier(source, new FakeStoreParticipant(target, new FakeNetwork(random)), {
      ...{ random, batchRecords, lingerMs: 100, until: source.lastSeq },
      timer: {
        nowMs: () => timer.nowMs(),
        after: () => timer.after(),
        sleep: (ms) => timer.sleep(ms).then(() => slept(ms)),
      },
      onProgress: ({ kind }) => void (transactions += Number(kind === 'committed')),
    });
    expect((await copier.run()).ended).toBe('done');
    expect(target.records).toEqual(source.texts());
    return { transactions, ms: timer.nowMs() };
  }

  test('gathers what comes within its time; the first record does not wait', async () => {
    const { transactions, ms } = await copied(1, 1000);
    // 5 to 10 records each, and one record in the first
    expect([transactions > 5, transactions < 13, ms <= 100 * transactions]).toEqual(
      Array(3).fill(true),
    );
  });

  test('does not while it is behind', async () => {
    expect(await copied(RECORDS, 10)).toEqual({ transactions: 5, ms: 0 });
  });
});

describe('a marker that the retention of a two-phase target has taken', () => {
  const ALARM = 'but not how far they go';
  const THERE = 20;

  /** Some of its records are copied: all that there are by now. */
  async function partlyCopied() {
    const random = new SeededRandom(SEED);
    const origin = testOrigin('opaque', 1);
    const records = meantRecords(random, 2 * THERE, origin);
    const source = new FakeSource([{ origin, records }], random, THERE);
    const [network, target] = [new FakeNetwork(random), new FakeTwoPhaseTarget(random)];
    const connect = () => new FakeTwoPhaseParticipant(target, network);
    const befall = () => undefined;
    const scene = { random, source, network, connect, records: target.records, befall };
    expect(await live(scene, { until: await source.end() })).toBe('done');
    return { ...scene, target, arrived: target.records.length };
  }

  test('is noticed by the next copy, and nothing is sent', async () => {
    const { target, arrived, ...scene } = await partlyCopied();
    target.trim();
    scene.source.record(Infinity);
    const progress: string[] = [];
    const onProgress = ({ kind }: CopyProgress): void => void progress.push(kind);
    expect(await live(scene, { onProgress })).toContain(ALARM);
    expect(progress).toEqual([]);
    expect(scene.records).toHaveLength(arrived);
  });

  test('is noticed by a copy that is idle', async () => {
    const { target, arrived, ...scene } = await partlyCopied();
    scene.source.wait = () => Promise.resolve(target.trim());
    expect(await live(scene, { until: Infinity })).toContain(ALARM);
    expect(scene.records).toHaveLength(arrived);
  });

  /** The reply to a commit is lost, and `then` befalls the target before it is asked again. */
  async function replyLost(then: (target: FakeTwoPhaseTarget) => void) {
    const { target, ...scene } = await partlyCopied();
    scene.source.record(Infinity);
    scene.network.next = { request: 'commit', how: 'loseReply' };
    const onProgress = ({ kind }: CopyProgress): void => {
      if (kind === 'failed') then(target);
    };
    const ended = await live(scene, { batchRecords: THERE / 2, onProgress });
    return { ended, arrived: scene.records, sent: scene.source.texts() };
  }

  test('is an alarm also where a commit is forgotten whose reply was lost', async () => {
    const { ended, arrived, sent } = await replyLost((target) => {
      target.finish();
      target.forget();
      target.trim();
    });
    expect(ended).toContain(ALARM);
    expect(arrived).toEqual(sent.slice(0, arrived.length));
    expect(arrived.length).toBeLessThan(sent.length);
  });

  test('is none where the target still knows how that commit has ended', async () => {
    const { ended, arrived, sent } = await replyLost((target) => {
      target.finish();
      target.trim();
    });
    expect(ended).toBe('done');
    expect(arrived).toEqual(sent);
  });
});

describe('alarms', () => {
  const STORE = 'the target has lost records';
  const SOURCE = 'the target holds other records';

  async function halfCopied(seed: number): Promise<Scene & { target: FakeStoreTarget }> {
    const random = new SeededRandom(seed);
    const source = new FakeSource(runsOf(random), random);
    const network = new FakeNetwork(random);
    const target = new FakeStoreTarget(random);
    const connect = () => new FakeStoreParticipant(target, network);
    const { records } = target;
    return { random, source, network, connect, records, befall: () => undefined, target };
  }

  /** The scene of a seed, or one behind it, and a record in it that is not lost already. */
  async function sceneToDamage(seed: number): Promise<{ scene: Scene; index: number }> {
    const scene = await halfCopied(seed);
    const index = scene.source.texts().findIndex((text) => !text.includes(' lost '));
    return index < 0 ? sceneToDamage(seed + 1) : { scene, index };
  }

  test('a target restored from an older copy is noticed, and nothing is sent', async () => {
    const scene = await halfCopied(SEED);
    const restore = scene.target.backup();
    expect(await goodTimes(scene)).toBe('done');
    restore();
    expect(await goodTimes(scene)).toContain(STORE);
    expect(scene.records).toEqual([]);
  });

  test('an idle copier notices it as well', async () => {
    const scene = await halfCopied(SEED);
    const restore = scene.target.backup();
    let probes = 0;
    const onProgress = ({ kind }: { kind: string }): void => {
      if (kind === 'released' && probes++ === 0) setTimeout(restore, 0);
    };
    const timer = new FakeTimer();
    scene.source.wait = () => new Promise((resolve) => setTimeout(resolve, 1));
    const ended = await live(scene, { until: Infinity, onProgress, timer });
    expect(ended).toContain(STORE);
  });

  test('a source restored from an older copy is noticed, and gets a new incarnation', async () => {
    const { scene, index } = await sceneToDamage(SEED);
    const restore = scene.source.backup();
    expect(await goodTimes(scene)).toBe('done');
    restore();
    scene.source.damage(index);
    expect(await goodTimes(scene)).toContain(SOURCE);
    expect(scene.source.incarnation).toBe('second');
  });

  test('a source restored from an older copy that holds the same records goes on', async () => {
    const scene = await halfCopied(SEED);
    const restore = scene.source.backup();
    expect(await goodTimes(scene)).toBe('done');
    const sent = [...scene.records];
    restore();
    expect(await goodTimes(scene)).toBe('done');
    expect(scene.records).toEqual(sent);
  });
});
