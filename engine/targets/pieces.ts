/** From the stored form of a stream to pieces, and pieces to parts of them. */
import { cutBatch, cutEvents, cutGap } from '../batch/cut.ts';
import { copiedColumn, type RecordContent } from '../batch/format.ts';
import type { RawItem } from '../store/read/stream-reader.ts';
import { contentBytes } from '../txn/piece-format.ts';
import type { Origin, Piece } from '../txn/piece.ts';

/** @param base of the copy: the offset of its seq 1 */
export function pieceOf({ item }: RawItem, origin: Origin, base: number): Piece {
  const { content, firstSeq, firstOffset, records } = item;
  return {
    origin,
    originSeq: firstSeq,
    lo: firstOffset - base + 1,
    seqs: records,
    bytes: contentBytes(content),
    content: copied(content),
  };
}

/** What a reader of the log gives are views of its window. */
function copied(content: RecordContent): RecordContent {
  switch (content.kind) {
    case 'batch': {
      const { times, batch } = content;
      const columns = batch.columns.map(copiedColumn);
      return {
        kind: 'batch',
        times: { ...times, time: copiedColumn(times.time) },
        batch: { ...batch, columns },
      };
    }
    case 'events': {
      const { events } = content;
      const lengths = copiedColumn(events.lengths);
      return { kind: 'events', events: { ...events, lengths, bytes: events.bytes.slice() } };
    }
    case 'gap':
      return content;
  }
}

/** Seqs `from` to `to` − 1 of a piece, counted from its first. */
export function cutPiece(piece: Piece, from: number, to: number): Piece {
  const content = cutContent(piece, from, to);
  return {
    origin: piece.origin,
    originSeq: piece.originSeq + from,
    lo: piece.lo + from,
    seqs: to - from,
    bytes: contentBytes(content),
    content,
  };
}

function cutContent({ content, origin }: Piece, from: number, to: number): RecordContent {
  switch (content.kind) {
    case 'batch':
      return { kind: 'batch', ...cutBatch(content, origin.schema, from, to) };
    case 'events':
      return { kind: 'events', events: cutEvents(content.events, from, to) };
    case 'gap':
      return { kind: 'gap', gap: cutGap(content.gap, from, to) };
  }
}
