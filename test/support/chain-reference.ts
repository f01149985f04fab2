/**
 * The chain in TypeScript, record by record from decoded values, as `docs/format-chain.md` reads.
 * Slow; it is what tests hold `engine/txn/chain.ts` and the addon against.
 */
import { unpackEvents } from '../../engine/batch/opaque.ts';
import type { SampleGap } from '../../engine/batch/ledger.ts';
import { decodeSamples, type Column } from '../../engine/batch/samples.ts';
import { isFloat, isWide, type Schema } from '../../engine/batch/schema.ts';
import {
  canonicalOrigin,
  gapAlone,
  gapHash,
  gapInBatch,
  hashOf,
  mix,
  RECORD_KIND,
} from '../../engine/txn/chain.ts';
import type { Piece } from '../../engine/txn/piece.ts';

const NAN_WORD = 0x7ff8000000000000n;

export function digestReference(bytes: Uint8Array): bigint {
  let digest = BigInt(bytes.length);
  for (let at = 0; at < bytes.length; at += 8) {
    const word = new Uint8Array(8);
    word.set(bytes.subarray(at, at + 8));
    digest = mix(digest ^ new DataView(word.buffer).getBigUint64(0, true));
  }
  return digest;
}

/** The hash of each record of a piece, in order. */
function recordHashes(piece: Piece): bigint[] {
  const digest = digestReference(new TextEncoder().encode(canonicalOrigin(piece.origin)));
  const { content, originSeq } = piece;
  switch (content.kind) {
    case 'batch':
      return batchHashes(piece, digest);
    case 'events':
      return unpackEvents(content.events).map((event, index) =>
        hashOf([
          digest + RECORD_KIND.event,
          BigInt(originSeq + index),
          content.events.utcNanos,
          BigInt(event.length),
          digestReference(event),
        ]),
      );
    case 'gap':
      return gapHashes(piece, digest);
  }
}

function gapHashes({ originSeq, content }: Piece, digest: bigint): bigint[] {
  if (content.kind !== 'gap') return [];
  const { gap } = content;
  if (gap.reason !== 'filtered') return [gapHash(digest, originSeq, gapAlone(gap))];
  return Array.from({ length: gap.records }, (_, i) =>
    filteredHash(digest, originSeq + i, originSeq + i, originSeq + i),
  );
}

function filteredHash(digest: bigint, seq: number, ordinal: number, tick: number): bigint {
  const numbers = [seq, ordinal, tick].map(BigInt);
  return hashOf([digest + RECORD_KIND.filtered, ...numbers, 0n, 0n]);
}

export function chainReference(chain: bigint, pieces: Iterable<Piece>): bigint {
  let value = chain;
  for (const piece of pieces) {
    for (const hash of recordHashes(piece)) value = mix(value ^ hash);
  }
  return value;
}

function batchHashes({ origin, originSeq, content }: Piece, digest: bigint): bigint[] {
  if (content.kind !== 'batch') return [];
  const batch = decodeSamples(content.times, content.batch, origin.schema);
  const hashes: bigint[] = [];
  let [gaps, filtered] = [0, 0];
  const seq = (): number => originSeq + hashes.length;
  const addGap = (gap: SampleGap): void => {
    if (gap.reason !== 'filtered') hashes.push(gapHash(digest, seq(), gapInBatch(gap)));
    else {
      for (let i = 0; i < gap.ticks; i++, filtered++) {
        const ordinal = batch.ordinal + gap.samplesBefore + filtered;
        hashes.push(filteredHash(digest, seq(), ordinal, gap.firstTick + i));
      }
    }
  };
  const addGaps = (samples: number): void => {
    for (; batch.gaps[gaps] && batch.gaps[gaps]!.samplesBefore <= samples; gaps++) {
      addGap(batch.gaps[gaps]!);
    }
  };
  for (let i = 0; i < batch.samples; i++) {
    addGaps(i);
    hashes.push(
      hashOf([
        digest + RECORD_KIND.sample,
        BigInt(seq()),
        BigInt(batch.ordinal + i + filtered),
        BigInt(batch.ticks[i]!),
        BigInt(batch.latenessNanos[i]!),
        batch.timeNanos[i]!,
        ...valueWords(origin.schema, batch.columns, i),
      ]),
    );
  }
  addGaps(batch.samples);
  return hashes;
}

function valueWords(schema: Schema, columns: readonly Column[], index: number): bigint[] {
  if (schema.kind === 'opaque') return [];
  return schema.channels.map(({ type }, channel) => {
    const value = columns[channel]![index]!;
    if (isWide(type) || !isFloat(type)) return BigInt(value);
    return doubleWord(Number(value));
  });
}

function doubleWord(value: number): bigint {
  if (Number.isNaN(value)) return NAN_WORD;
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, value, true);
  return view.getBigUint64(0, true);
}
