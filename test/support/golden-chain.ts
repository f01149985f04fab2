/** The pieces of `test/fixtures/chain-v1.json`, and the chain over them as the file has it. */
import { encodeBatch, encodeEvents, encodeGap, encodeTimes } from '../../engine/batch/format.ts';
import { Chain, canonicalOrigin, originDigest } from '../../engine/txn/chain.ts';
import type { Piece } from '../../engine/txn/piece.ts';
import { piecesOf, testOrigin, type Meant } from './pieces.ts';

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const word = (value: bigint): string => value.toString(16).padStart(16, '0');

function samples(): Meant[] {
  const sample = (tick: number, lateness: bigint): Meant => ({
    type: 'sample',
    tick,
    lateness,
    values: [2n ** 64n - BigInt(tick), -BigInt(tick), -tick, tick === 42 ? -0 : tick / 3, 0.5],
  });
  return [
    { type: 'gap', reason: 'overflow', tick: 38, ticks: 2, nanos: 0n },
    sample(40, 1500n),
    sample(41, 0n),
    { type: 'gap', reason: 'device', tick: 42, ticks: 2, nanos: 0n },
    { type: 'gap', reason: 'suspended', tick: 44, ticks: 0, nanos: 77n },
    sample(44, 123_456n),
    { type: 'lost', reason: 'corrupt', records: 12 },
  ];
}

function events(): Meant[] {
  const event = (text: string): Meant => ({
    type: 'event',
    bytes: new TextEncoder().encode(text),
    utcNanos: 1_609_363_757_807_000_000n,
  });
  return [event('{"data":"✓"}'), event(''), event('12345678'), event('123456789')];
}

/** What derived copies have: samples left out between others, and events. */
function derived(): Piece[] {
  const left = (tick: number): Meant => ({ type: 'filtered', tick });
  const [sample] = samples().filter(({ type }) => type === 'sample');
  const kept = { ...sample, tick: 42 } as Meant;
  const opaque = [left(0), ...events().slice(0, 1), left(0), left(0)];
  return [
    ...piecesOf([left(40), left(41), kept, left(43)], testOrigin('samples', 1), () => false),
    ...piecesOf(opaque, testOrigin('opaque', 1), () => false),
  ];
}

export function goldenPieces(): Piece[] {
  const [nanos, micros] = [testOrigin('samples', 1), testOrigin('samples', 2)];
  return [
    ...piecesOf(samples(), nanos, () => false),
    ...piecesOf(samples(), micros, () => false),
    ...piecesOf(events(), testOrigin('opaque', 1), () => false),
    ...derived(),
  ];
}

function entries({ content }: Piece): Record<string, string> {
  if (content.kind === 'events') return { events: hex(encodeEvents(content.events)) };
  if (content.kind === 'gap') return { gap: hex(encodeGap(content.gap)) };
  return { times: hex(encodeTimes(content.times)), batch: hex(encodeBatch(content.batch)) };
}

export function goldenChain(pieces: readonly Piece[]): unknown {
  const chain = new Chain();
  return pieces.map((piece) => {
    chain.add(piece);
    return {
      origin: canonicalOrigin(piece.origin),
      originDigest: word(originDigest(piece.origin)),
      originSeq: piece.originSeq,
      ...entries(piece),
      chain: word(chain.value),
    };
  });
}
