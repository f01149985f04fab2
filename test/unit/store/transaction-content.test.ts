/** A store commits what was sent, and nothing that has become something else on its way. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { KIB } from '../../../engine/base/constants.ts';
import { packEvents, unpackEvents } from '../../../engine/batch/opaque.ts';
import type { Question } from '../../../engine/control/protocol.ts';
import { systemEnvironment } from '../../../engine/store/store.ts';
import { StoreParticipant, type Requests } from '../../../engine/targets/store-participant.ts';
import { encodePieces } from '../../../engine/txn/piece-format.ts';
import type { Piece } from '../../../engine/txn/piece.ts';
import { crc32cByDefinition } from '../../support/crc32c.ts';
import { temporaryDirectory } from '../../support/directory.ts';
import { LocalOwner, recordsOf } from '../../support/local-owner.ts';
import { NEVER, opened, piecesFrom, prepare, textsOf } from '../../support/participant-cases.ts';
import { piecesOf, testOrigin, type Meant } from '../../support/pieces.ts';

const STREAM = 'a/b';
/** More than its owner recomputes the chain of. */
const MANY_EVENTS = 1400;

function eventPieces(): Piece[] {
  const events = Array.from({ length: MANY_EVENTS }, (_, i): Meant => {
    return { type: 'event', bytes: Uint8Array.of(i, i >> 8, 7), utcNanos: 17n };
  });
  let calls = 0;
  return piecesOf(events, testOrigin('opaque'), () => ++calls % 100 === 0);
}

/** One bit of one event is another. */
function flipped(piece: Piece): Piece {
  if (piece.content.kind !== 'events' || piece.lo !== 801) return piece;
  const events = unpackEvents(piece.content.events).map((event) => event.slice());
  events[50]![1]! ^= 4;
  const content = { kind: 'events', events: packEvents(events, piece.content.events) } as const;
  return { ...piece, content };
}

function participantOf(owner: Requests, kind: 'samples' | 'opaque'): StoreParticipant {
  const { schema } = testOrigin(kind);
  const samplesPerEvent = kind === 'samples' ? 7 : 1;
  return new StoreParticipant(owner, { stream: STREAM, schema, samplesPerEvent });
}

/** What is asked of the owner, in order. */
function listening(owner: LocalOwner): { requests: Requests; asked: Question[] } {
  const own = owner.connect();
  const asked: Question[] = [];
  const client = async (): ReturnType<Requests['client']> => {
    const { ask } = await own.client();
    const listen = (question: Question, types: never, payload?: Uint8Array) => {
      asked.push(question);
      return ask(question, types, payload);
    };
    return { ask: listen, version: owner.version };
  };
  return { requests: { client, drop: () => own.drop() }, asked };
}

const flushOf = (asked: Question[]): Question | undefined =>
  asked.find(({ type }) => type === 'txn-flush');

describe('records of a transaction', () => {
  test('too many for their chain to be computed again are held against their checksum', async () => {
    const owner = new LocalOwner(temporaryDirectory());
    const participant = participantOf(owner.connect(), 'opaque');
    const position = await opened(participant);
    owner.onArrival = flipped;
    await expect(prepare(participant, position, eventPieces())).rejects.toMatchObject({
      outcome: { kind: 'REJECTED', reason: 'CONTENT' },
    });
    owner.onArrival = undefined;
    const { pieces, intent } = await prepare(participant, position, eventPieces());
    expect(await participant.commit(position.epoch, intent, NEVER)).toMatchObject({
      kind: 'COMMITTED',
    });
    expect(await recordsOf(owner.dir, STREAM)).toEqual(textsOf(pieces));
  });

  test('that were spilled are, too, and their file is gone', async () => {
    const environment = { ...systemEnvironment, spillBytes: KIB };
    const owner = new LocalOwner(temporaryDirectory(), undefined, environment);
    const spilled = (): string[] => readdirSync(join(owner.dir, 'txn'));
    const participant = participantOf(owner.connect(), 'opaque');
    const position = await opened(participant);
    owner.onArrival = flipped;
    await expect(prepare(participant, position, eventPieces())).rejects.toThrow('CONTENT');
    expect(spilled()).toEqual([]);
    owner.onArrival = undefined;
    const { intent } = await prepare(participant, position, eventPieces());
    expect(spilled()).toHaveLength(1);
    expect((await participant.commit(position.epoch, intent, NEVER)).kind).toBe('COMMITTED');
    expect(await recordsOf(owner.dir, STREAM)).toHaveLength(MANY_EVENTS);
  });

  test('are counted and summed up in the bytes in which they travel', async () => {
    const { requests, asked } = listening(new LocalOwner(temporaryDirectory()));
    const participant = participantOf(requests, 'samples');
    const pieces = piecesFrom(1, 9);
    await prepare(participant, await opened(participant), pieces);
    const crc = crc32cByDefinition(encodePieces(pieces));
    expect(flushOf(asked)).toMatchObject({ count: 8, crc });
  });

  test('that do not all arrive are missed by their count', async () => {
    const owner = new LocalOwner(temporaryDirectory());
    const { requests, asked } = listening(owner);
    const participant = participantOf(requests, 'samples');
    await prepare(participant, await opened(participant), piecesFrom(1, 9));
    const flush = flushOf(asked) as Extract<Question, { type: 'txn-flush' }>;
    const { ask } = await requests.client();
    const answer = await ask({ ...flush, count: 9 }, ['done', 'refused']);
    expect(answer).toMatchObject({ outcome: 'REJECTED', reason: 'CONTENT' });
    expect(await ask(flush, ['done', 'refused'])).toMatchObject({ outcome: 'ABORTED' });
  });

  test('are not summed up for an owner that does not know of it', async () => {
    const owner = new LocalOwner(temporaryDirectory());
    owner.version = 1;
    const { requests, asked } = listening(owner);
    const participant = participantOf(requests, 'samples');
    const position = await opened(participant);
    const { intent } = await prepare(participant, position, piecesFrom(1, 9));
    expect(Object.keys(flushOf(asked)!)).toEqual(['type', 'txn']);
    expect((await participant.commit(position.epoch, intent, NEVER)).kind).toBe('COMMITTED');
  });
});
