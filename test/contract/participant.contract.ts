/**
 * What a copier relies on from a participant. Every target passes it, and so do the fake ones of
 * both kinds. A factory gives a fresh target, connections to it, and a look at what is visible.
 */
import { describe, expect, it } from 'vitest';
import { Chain } from '../../engine/txn/chain.ts';
import type { CommitOutcome, Intent, Participant, Position } from '../../engine/txn/participant.ts';
import type { Piece } from '../../engine/txn/piece.ts';
import { Tally } from '../../engine/txn/tally.ts';
import {
  NEVER,
  UNLIMITED,
  WRITER,
  appendUntilRefused,
  commitSamples,
  opened,
  piecesFrom,
  prepare,
  refusal,
  textsOf,
  type ParticipantCase,
  type Sent,
} from '../support/participant-cases.ts';

export function describeParticipant(name: string, make: () => ParticipantCase): void {
  describe(`participant: ${name}`, () => {
    describePosition(make);
    describeMarker(make);
    describeVisibility(make);
    describeCommits(make);
    describeContent(make);
    describeFences(make);
    describeStrangers(make);
    describeLimits(make);
  });
}

function describePosition(make: () => ParticipantCase): void {
  it('a writer that was never here is at 0, with the chain of nothing', async () => {
    const { epoch, last, chain } = await opened(make().connect());
    expect({ last, chain }).toEqual({ last: 0, chain: 0n });
    expect(epoch).toBeGreaterThan(0);
  });

  it('epochs grow with every open', async () => {
    const target = make();
    const first = await opened(target.connect());
    const second = await opened(target.connect());
    const third = await opened(target.connect());
    expect(second.epoch).toBeGreaterThan(first.epoch);
    expect(third.epoch).toBeGreaterThan(second.epoch);
  });

  it('a position is what was committed last, for a probe and for the next open', async () => {
    const target = make();
    const participant = target.connect();
    const { epoch, last, chain } = await commitSamples(participant, 10);
    expect(await participant.position(epoch, NEVER)).toEqual({ epoch, last, chain });
    expect(await opened(target.connect())).toMatchObject({ last, chain });
  });

  it('writers do not know of each other', async () => {
    const target = make();
    const participant = target.connect();
    const { epoch } = await commitSamples(participant, 4);
    const other = target.connect();
    const outcome = await other.open({ ...WRITER, incarnation: 'c' }, undefined, NEVER);
    expect(outcome).toMatchObject({ kind: 'OPENED', last: 0, chain: 0n });
    expect((await participant.position(epoch, NEVER)).last).toBe(4);
  });
}

function describeMarker(make: () => ParticipantCase): void {
  it('a position that is gone with its data is no fresh start', async () => {
    const target = make();
    if (target.trim === undefined) return;
    const { intent, last, chain } = await commitSamples(target.connect(), 4);
    target.trim();
    const outcome = await target.connect().open(WRITER, undefined, NEVER);
    expect(outcome.kind).toBe('MARKER_GONE');
    // whoever knows of the last transaction, and learns how it has ended, needs no marker
    expect(await opened(target.connect(), intent)).toMatchObject({ last, chain });
  });
}

function describeVisibility(make: () => ParticipantCase): void {
  it('nothing is visible before the commit, and all of it after', async () => {
    const target = make();
    const participant = target.connect();
    const position = await opened(participant);
    const { pieces, intent } = await prepare(participant, position, piecesFrom(1, 11));
    expect(await target.visible()).toEqual([]);
    expect((await participant.position(position.epoch, NEVER)).last).toBe(0);
    await participant.commit(position.epoch, intent, NEVER);
    expect(await target.visible()).toEqual(textsOf(pieces));
  });

  it('transactions follow each other without a hole', async () => {
    const target = make();
    const participant = target.connect();
    const first = await commitSamples(participant, 5);
    const second = await prepare(participant, first, piecesFrom(6, 9));
    expect((await participant.commit(first.epoch, second.intent, NEVER)).kind).toBe('COMMITTED');
    expect(await target.visible()).toEqual(textsOf([...first.pieces, ...second.pieces]));
  });

  it('an abort leaves nothing, and the same seqs may be sent again', async () => {
    const target = make();
    const participant = target.connect();
    const position = await opened(participant);
    const { intent } = await prepare(participant, position, piecesFrom(1, 4));
    await participant.abort(intent.txn!);
    expect(await target.visible()).toEqual([]);
    expect((await participant.commit(position.epoch, intent, NEVER)).kind).not.toBe('COMMITTED');
    const again = await prepare(participant, position, piecesFrom(1, 4));
    expect((await participant.commit(position.epoch, again.intent, NEVER)).kind).toBe('COMMITTED');
    expect(await target.visible()).toEqual(textsOf(again.pieces));
  });

  it('what was left open is gone with the next open', async () => {
    const target = make();
    const left = target.connect();
    const { intent } = await prepare(left, await opened(left), piecesFrom(1, 4));
    const next = target.connect();
    const position = await opened(next, intent);
    expect(position.last).toBe(0);
    expect((await next.commit(position.epoch, intent, NEVER)).kind).not.toBe('COMMITTED');
    expect(await target.visible()).toEqual([]);
  });

  it('a transaction that the target has given up is not committed', async () => {
    const target = make();
    if (target.expire === undefined) return;
    const participant = target.connect();
    const position = await opened(participant);
    const { intent } = await prepare(participant, position, piecesFrom(1, 4));
    target.expire();
    const outcome = await participant.commit(position.epoch, intent, NEVER);
    expect(['ABORTED', 'UNKNOWN']).toContain(outcome.kind);
    expect(await target.visible()).toEqual([]);
  });
}

function describeCommits(make: () => ParticipantCase): void {
  it('committing the last transaction again gives the same answer and changes nothing', async () => {
    const target = make();
    const participant = target.connect();
    const position = await opened(participant);
    const { intent } = await prepare(participant, position, piecesFrom(1, 8));
    const first = await participant.commit(position.epoch, intent, NEVER);
    const again = await participant.commit(position.epoch, intent, NEVER);
    expect(again).toEqual(first);
    expect(await target.visible()).toHaveLength(7);
  });

  it('a commit whose reply was lost is there, once, and open says so', async () => {
    const target = make();
    const participant = target.connect();
    const position = await opened(participant);
    const { intent, pieces } = await prepare(participant, position, piecesFrom(1, 8));
    target.loseNextCommitReply();
    await expect(participant.commit(position.epoch, intent, NEVER)).rejects.toThrow();
    const { hi, chain } = intent.range;
    expect(await opened(target.connect(), intent)).toMatchObject({ last: hi, chain });
    expect(await target.visible()).toEqual(textsOf(pieces));
  });

  const outcomes: [string, (range: Intent['range']) => Intent['range'], CommitOutcome['kind']][] = [
    ['the last range with another chain', (range) => ({ ...range, chain: 1n }), 'DIVERGED'],
    ['an older range', (range) => ({ ...range, hi: range.hi - 1 }), 'REJECTED'],
  ];
  it.each(outcomes)('%s is refused', async (_, change, kind) => {
    const target = make();
    const participant = target.connect();
    const { epoch, intent } = await commitSamples(participant, 6);
    const outcome = await participant.commit(
      epoch,
      { ...intent, range: change(intent.range) },
      NEVER,
    );
    expect(outcome.kind).toBe(kind);
    expect(await target.visible()).toHaveLength(6);
  });

  it('what does not continue is refused: a hole, another past, another content', async () => {
    await refusesWhatDoesNotContinue(make());
  });
}

/** By itself too, for a control that takes the rule out (`test/sim/code-mutants.test.ts`). */
export async function refusesWhatDoesNotContinue(target: ParticipantCase): Promise<void> {
  const participant = target.connect();
  const done = await commitSamples(participant, 6);
  const attempt = async (from: Position, change = {}): Promise<CommitOutcome['kind']> => {
    const pieces = piecesFrom(from.last + 1, from.last + 4);
    const { intent } = await prepare(participant, from, pieces);
    const range = { ...intent.range, ...change };
    return (await participant.commit(done.epoch, { ...intent, range }, NEVER)).kind;
  };
  expect(await attempt({ ...done, last: 7 })).toBe('REJECTED');
  expect(await attempt({ ...done, chain: 4n })).toBe('DIVERGED');
  expect(await attempt(done, { count: 2 })).toBe('REJECTED');
  expect(await attempt(done, { hi: done.last + 2, count: 2 })).toBe('REJECTED');
  expect(await target.visible()).toHaveLength(6);
  expect(await attempt(done)).toBe('COMMITTED');
}

function describeContent(make: () => ParticipantCase): void {
  /** Whatever was refused has ended; sent again as it is, it is committed. */
  async function expectNoneThenAll(
    target: ParticipantCase,
    participant: Participant,
    position: Position,
    refused: Sent,
  ): Promise<void> {
    expect(await target.visible()).toEqual([]);
    const right = await participant.commit(position.epoch, refused.intent, NEVER);
    expect(right.kind).not.toBe('COMMITTED');
    expect(await participant.position(position.epoch, NEVER)).toEqual(position);
    const again = await prepare(participant, position, refused.pieces);
    const outcome = await participant.commit(position.epoch, again.intent, NEVER);
    expect(outcome.kind).toBe('COMMITTED');
    expect(await target.visible()).toEqual(textsOf(refused.pieces));
  }

  it('a chain that is not that of the records is rejected, and never kept', async () => {
    const target = make();
    const participant = target.connect();
    const { epoch, last, chain } = await opened(participant);
    const sent = await prepare(participant, { epoch, last, chain }, piecesFrom(1, 6));
    const { txn, range } = sent.intent;
    const madeUp = { txn, range: { ...range, chain: range.chain ^ 1n } };
    const outcome = await participant.commit(epoch, madeUp, NEVER);
    expect(outcome).toMatchObject({ kind: 'REJECTED', reason: 'CONTENT' });
    await expectNoneThenAll(target, participant, { epoch, last, chain }, sent);
  });

  it('records that have changed on their way are rejected by the flush', async () => {
    const target = make();
    const participant = target.connect();
    const { epoch, last, chain } = await opened(participant);
    const pieces = piecesFrom(1, 6);
    const others = new Map(piecesFrom(1, 6, 1).map((piece) => [piece.lo, piece]));
    target.change((piece) => others.get(piece.lo)!);
    const txn = await participant.begin(epoch, 1, NEVER);
    for (const piece of pieces) await participant.append(txn, piece, NEVER);
    const flushed = participant.flush(txn, NEVER);
    await expect(flushed).rejects.toMatchObject({
      outcome: { kind: 'REJECTED', reason: 'CONTENT' },
    });
    target.change((piece) => piece);
    const all = new Tally(1, UNLIMITED);
    const over = new Chain(chain);
    for (const piece of pieces) {
      all.add(piece);
      over.add(piece);
    }
    const sent = { pieces, intent: { txn, range: all.range(chain, over.value) } };
    await expectNoneThenAll(target, participant, { epoch, last, chain }, sent);
  });
}

function describeFences(make: () => ParticipantCase): void {
  it('an older epoch is fenced at begin, append, flush and commit', async () => {
    const target = make();
    const old = target.connect();
    const position = await opened(old);
    const { intent } = await prepare(old, position, piecesFrom(1, 4));
    const next = target.connect();
    const epoch = await opened(next);
    expect(await refusal(old.begin(position.epoch, 1, NEVER))).toBe('FENCED');
    expect(['FENCED', 'ABORTED']).toContain(await refusal(appendUntilRefused(old, intent.txn!, 4)));
    expect(['FENCED', 'ABORTED']).toContain(await refusal(old.flush(intent.txn!, NEVER)));
    expect((await old.commit(position.epoch, intent, NEVER)).kind).toBe('FENCED');
    expect(await refusal(old.position(position.epoch, NEVER))).toBe('FENCED');
    // nor does the live epoch take what was appended under the older one
    expect((await next.commit(epoch.epoch, intent, NEVER)).kind).not.toBe('COMMITTED');
    expect(await target.visible()).toEqual([]);
    const own = await prepare(next, epoch, piecesFrom(1, 3, 1));
    expect((await next.commit(epoch.epoch, own.intent, NEVER)).kind).toBe('COMMITTED');
    expect(await target.visible()).toEqual(textsOf(own.pieces));
  });

  it('an append of an older epoch is not taken by the flush behind it', async () => {
    const target = make();
    const old = target.connect();
    const { epoch } = await opened(old);
    const txn = await old.begin(epoch, 1, NEVER);
    await opened(target.connect());
    const [piece] = piecesFrom(1, 3);
    // one that gathers pieces before it sends them learns of it with the flush
    const atAppend = await refusal(old.append(txn, piece!, NEVER));
    expect(['none', 'FENCED', 'ABORTED']).toContain(atAppend);
    expect(['FENCED', 'ABORTED']).toContain(await refusal(old.flush(txn, NEVER)));
    expect(await target.visible()).toEqual([]);
  });
}

function describeStrangers(make: () => ParticipantCase): void {
  it('a transaction that no epoch has begun takes nothing', async () => {
    const target = make();
    const participant = target.connect();
    const { epoch, chain } = await opened(participant);
    const txn = `${epoch + 1}-1`;
    const refused = ['FENCED', 'REJECTED', 'ABORTED'];
    expect(refused).toContain(await refusal(appendUntilRefused(participant, txn, 1)));
    expect(refused).toContain(await refusal(participant.flush(txn, NEVER)));
    const range = { lo: 1, hi: 1, count: 1, before: chain, chain: 1n };
    expect((await participant.commit(epoch, { txn, range }, NEVER)).kind).not.toBe('COMMITTED');
    expect(await target.visible()).toEqual([]);
  });

  it('an epoch that was never issued is rejected', async () => {
    const target = make();
    const participant = target.connect();
    const position = await opened(participant);
    const { intent } = await prepare(participant, position, piecesFrom(1, 4));
    for (const epoch of [position.epoch + 1, position.epoch + 2 ** 20]) {
      expect(await refusal(participant.begin(epoch, 1, NEVER))).toBe('REJECTED');
      expect((await participant.commit(epoch, intent, NEVER)).kind).toBe('REJECTED');
    }
    expect(await target.visible()).toEqual([]);
  });
}

function describeLimits(make: () => ParticipantCase): void {
  it('one transaction holds no more than it may, and says how much that is', async () => {
    const target = make();
    const participant = target.connect();
    const { maxRecords } = target;
    const position = await opened(participant);
    const txn = await participant.begin(position.epoch, 1, NEVER);
    const send = async (): Promise<void> => {
      for (const piece of piecesFrom(1, maxRecords + 4)) {
        await participant.append(txn, piece, NEVER);
      }
      // one that gathers pieces before it sends them learns of it now
      await participant.flush(txn, NEVER);
    };
    await expect(send()).rejects.toMatchObject({
      outcome: { kind: 'REJECTED', reason: 'LIMIT' },
      message: `REJECTED: LIMIT: a transaction holds at most ${maxRecords} records`,
    });
    await participant.abort(txn);
    expect(await target.visible()).toEqual([]);
    const { pieces, intent } = await prepare(participant, position, piecesFrom(1, maxRecords + 1));
    expect((await participant.commit(position.epoch, intent, NEVER)).kind).toBe('COMMITTED');
    expect(await target.visible()).toEqual(textsOf(pieces));
  });

  it('pieces that do not follow each other are rejected', async () => {
    const participant = make().connect();
    const position = await opened(participant);
    const txn = await participant.begin(position.epoch, 1, NEVER);
    const [first, second] = piecesFrom(1, 9) as [Piece, Piece];
    expect(await refusal(participant.append(txn, second, NEVER))).toBe('REJECTED');
    expect(await refusal(participant.append(txn, first, NEVER))).toBe('none');
    expect(await refusal(participant.append(txn, first, NEVER))).toBe('REJECTED');
  });
}
