/** What a store takes of transactions, each limit by itself; who meets one is told which it was. */
import { describe, expect, test } from 'vitest';
import type { TransactionLimits } from '../../../engine/store/write/open-transactions.ts';
import { systemEnvironment } from '../../../engine/store/store.ts';
import { StoreParticipant } from '../../../engine/targets/store-participant.ts';
import { SEED, SeededRandom } from '../../support/random.ts';
import { ManualClock } from '../../support/clocks.ts';
import { copyOnce, record } from '../../support/copies.ts';
import { temporaryDirectory } from '../../support/directory.ts';
import { LocalOwner } from '../../support/local-owner.ts';
import { NEVER, opened, piecesFrom, prepare } from '../../support/participant-cases.ts';
import { testOrigin } from '../../support/pieces.ts';

const clock = new ManualClock(1_000n, 1_700_000_000_000_000_000n, 1n);

interface Scene {
  owner: LocalOwner;
  connect: (stream?: string) => StoreParticipant;
}

function sceneOf(limits: Partial<TransactionLimits>): Scene {
  const environment = { ...systemEnvironment, clock };
  const owner = new LocalOwner(temporaryDirectory(), undefined, environment, limits);
  const { schema } = testOrigin('samples');
  const connect = (stream = 'a/b') =>
    new StoreParticipant(owner.connect(), { stream, schema, samplesPerEvent: 7 });
  return { owner, connect };
}

/** @returns the words with which so many samples are refused; undefined: they were committed */
async function wordsOf(participant: StoreParticipant, samples: number): Promise<unknown> {
  const position = await opened(participant);
  const { last } = position;
  try {
    const { intent } = await prepare(
      participant,
      position,
      piecesFrom(last + 1, last + samples + 1),
    );
    const outcome = await participant.commit(position.epoch, intent, NEVER);
    return outcome.kind === 'COMMITTED' ? undefined : outcome;
  } catch (error) {
    return (error as Error).message;
  }
}

describe('a transaction', () => {
  test('holds so many records', async () => {
    const participant = sceneOf({ maxRecords: 9 }).connect();
    const words = 'REJECTED: LIMIT: a transaction holds at most 9 records';
    expect(await wordsOf(participant, 10)).toBe(words);
    expect(await wordsOf(participant, 9)).toBeUndefined();
    expect(await wordsOf(participant, 9)).toBeUndefined();
  });

  test('holds so many bytes, as its owner counts them, and a single piece always', async () => {
    const participant = sceneOf({ maxBytes: 200 }).connect();
    const words = 'REJECTED: LIMIT: a transaction holds at most 200 bytes';
    expect(await wordsOf(participant, 4)).toBe(words);
    expect(await wordsOf(participant, 3)).toBeUndefined();
  });

  test('of too many bytes is not even sent, since its sender is told before', async () => {
    const { owner, connect } = sceneOf({ maxBytes: 50 });
    const participant = connect();
    owner.fate = (type) => (type === 'txn-append' ? 'lost' : 'served');
    const words = 'REJECTED: LIMIT: a transaction holds at most 50 bytes';
    expect(await wordsOf(participant, 4)).toBe(words);
    expect(participant.capabilities.maxBytes).toBe(50);
  });

  test('is open for so long, and who asks for it later is told', async () => {
    const participant = sceneOf({ openMs: 120_000 }).connect();
    const position = await opened(participant);
    const sent = await prepare(participant, position, piecesFrom(1, 6));
    clock.monotonicNanos += 120_001_000_000n;
    const message = 'the transaction has been open for more than 2 min';
    const outcome = await participant.commit(position.epoch, sent.intent, NEVER);
    expect(outcome).toEqual({ kind: 'ABORTED', message });
    const { txn } = sent.intent;
    await expect(participant.flush(txn!, NEVER)).rejects.toThrow(`ABORTED: ${message}`);
    const again = await prepare(participant, position, piecesFrom(1, 6));
    clock.monotonicNanos += 119_000_000_000n;
    expect((await participant.commit(position.epoch, again.intent, NEVER)).kind).toBe('COMMITTED');
  });

  test('is one of so many that are open', async () => {
    const { connect } = sceneOf({ openMax: 2 });
    const [first, second, third] = [connect('a/1'), connect('a/2'), connect('a/3')];
    const { epoch } = await opened(first);
    const txn = await first.begin(epoch, 1, NEVER);
    await second.begin((await opened(second)).epoch, 1, NEVER);
    const words = 'REJECTED: LIMIT: 2 transactions are open, the most there may be';
    expect(await wordsOf(third, 5)).toBe(words);
    await first.abort(txn);
    expect(await wordsOf(third, 5)).toBeUndefined();
  });

  test('shares so much memory with the others', async () => {
    const { connect } = sceneOf({ openBytes: 1000 });
    const [first, second] = [connect('a/1'), connect('a/2')];
    const position = await opened(first);
    const { intent } = await prepare(first, position, piecesFrom(1, 7));
    const words = 'REJECTED: LIMIT: open transactions hold at most 1000 bytes in memory';
    expect(await wordsOf(second, 9)).toBe(words);
    expect((await first.commit(position.epoch, intent, NEVER)).kind).toBe('COMMITTED');
    expect(await wordsOf(second, 3)).toBeUndefined();
  });

  test('is held against its chain up to so many words', async () => {
    for (const [chainWords, kind] of [
      [1000, 'REJECTED'],
      [10, 'COMMITTED'],
    ] as const) {
      const participant = sceneOf({ chainWords }).connect();
      const position = await opened(participant);
      const { intent } = await prepare(participant, position, piecesFrom(1, 6));
      const { txn, range } = intent;
      const madeUp = { txn, range: { ...range, chain: 7n } };
      expect((await participant.commit(position.epoch, madeUp, NEVER)).kind).toBe(kind);
    }
  });
});

describe('who is refused is told why by', () => {
  test('the progress of a copy', async () => {
    const from = new LocalOwner(temporaryDirectory());
    const { owner: to } = sceneOf({ maxRecords: 5 });
    record(from, new SeededRandom(SEED), 1);
    const stop = new AbortController();
    const told: string[] = [];
    const end = (owner: LocalOwner) => ({ dir: owner.dir, owner: owner.connect() });
    await copyOnce(end(from), end(to), {
      signal: stop.signal,
      onProgress: (step) => {
        if (step.kind !== 'failed') return;
        told.push((step.error as Error).message);
        stop.abort();
      },
    });
    expect(told).toEqual(['REJECTED: LIMIT: a transaction holds at most 5 records']);
  });
});
