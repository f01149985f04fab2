/** What a reader finds in a store, in the words of the model, and whether it must be there. */
import { crc32 } from 'node:zlib';
import { originRun } from '../../engine/store/entries/control-entries.ts';
import type { Store } from '../../engine/store/store.ts';
import { StreamReader, type RawItem } from '../../engine/store/read/stream-reader.ts';
import { decodeCopyRecord } from '../../engine/targets/copy-cursor.ts';
import { pieceOf, cutPiece } from '../../engine/targets/pieces.ts';
import { unpackEvents } from '../../engine/batch/opaque.ts';
import type { Piece } from '../../engine/txn/piece.ts';
import { recordTexts } from '../support/pieces.ts';
import { RETIRED, type ModelRecord, type ModelStore, type ModelStream } from './history-model.ts';

export interface SeenStream {
  incarnation: string;
  records: SeenRecord[];
  writers: string[];
  /** base of each, and how many records it has brought */
  copies: string[];
  lowWater: number;
}

export type SeenRecord = Required<ModelRecord>;

export interface SeenCursor {
  /** the stream's incarnation */
  stream: string;
  offset: number;
  isHalted: boolean;
}

export interface Seen {
  streams: Map<string, SeenStream>;
  cursors: Map<string, SeenCursor>;
}

/** Everything, as of one look. */
export async function look(store: Store): Promise<Seen> {
  store.look();
  const { state } = store.reader;
  const streams = new Map<string, SeenStream>();
  const known = [...state.streams.values()];
  for (const { id, name, incarnation, nextOffset } of known) {
    const records = await seenRecords(store, id);
    if (records.length !== nextOffset)
      throw new Error(`${name}: not all of ${nextOffset} is there`);
    const writers = state
      .writersOf(id)
      .map((run) => `${run.writer} ${run.copied ? 'copied' : 'own'}`);
    const lowWater = state.lowWaterOf(id);
    const copies = copiesInto(store, id);
    streams.set(name, { incarnation, records, writers: writers.sort(), copies, lowWater });
  }
  const incarnations = new Map(known.map(({ id, incarnation }) => [id, incarnation]));
  const cursors = [...state.cursors.values()].map(({ name, stream, offset, detail }) => {
    const isHalted = detail !== null && decodeCopyRecord(name, detail).halted === true;
    return [name, { stream: incarnations.get(stream)!, offset: offset!, isHalted }] as const;
  });
  return { streams, cursors: new Map(cursors) };
}

function copiesInto({ reader }: Store, id: number): string[] {
  return [...reader.state.transactions.values()]
    .filter(({ stream }) => stream === id)
    .map(({ writer, hi }) => `${writer.split('/').at(-1)} ${hi}`)
    .sort();
}

async function seenRecords(store: Store, id: number): Promise<SeenRecord[]> {
  const seen: SeenRecord[] = [];
  for await (const some of seenItems(new StreamReader(store.reader, id, 0), 0)) seen.push(...some);
  return seen;
}

/** From an offset on. @throws if there is a hole, a fault, or one offset twice */
export async function* seenItems(
  reader: StreamReader,
  first: number,
): AsyncGenerator<SeenRecord[]> {
  let next = first + 1;
  for await (const found of reader.raw()) {
    if (found.kind === 'fault') throw new Error(found.fault.what);
    const piece = partOf(found, first);
    if (piece.lo !== next) throw new Error(`offset ${piece.lo - 1} follows ${next - 2}`);
    next += piece.seqs;
    yield recordsIn(piece);
  }
}

/** The first one may reach back before what was asked for. */
function partOf(found: RawItem, first: number): Piece {
  const { run, schema } = found.info;
  const whole = pieceOf(found, { ...run, run: originRun(run), schema }, 0);
  const from = Math.max(0, Math.max(first, found.from) - (whole.lo - 1));
  return from > 0 ? cutPiece(whole, from, whole.seqs) : whole;
}

function recordsIn(piece: Piece): SeenRecord[] {
  const { content, origin, originSeq, seqs } = piece;
  const { writer, epoch, run } = origin;
  const who = (i: number): string => `${run} ${writer} ${epoch} ${originSeq + i}`;
  if (content.kind === 'events') {
    return unpackEvents(content.events).map((event, i) => {
      const key = `${who(i)} event ${digest(event)}`;
      return { writer, key, text: `${key} at ${content.events.utcNanos}` };
    });
  }
  if (content.kind === 'batch') {
    return recordTexts(piece).map((text) => ({ writer, ...parted(run, text) }));
  }
  const { reason } = content.gap;
  return Array.from({ length: seqs }, (_, i) => {
    const key = reason === RETIRED ? `${writer} ${RETIRED}` : `${who(i)} lost ${reason}`;
    return { writer, key, text: key };
  });
}

/** The time of a sample stands where no model knows it. */
function parted(run: number, text: string): { key: string; text: string } {
  const words = text.split(' ');
  const [time] = words.splice(7, 1);
  const key = `${run} ${words.join(' ')}`;
  return { key, text: `${key} at ${time}` };
}

export function digest(event: Uint8Array): string {
  return `${event.length}:${crc32(event)}`;
}

/**
 * Is it what the model says? If so, the model learns from it what only the store can know.
 * @returns the first difference
 */
export function difference(model: ModelStore, seen: Seen): string | undefined {
  const names = (map: ReadonlyMap<string, unknown>): string => [...map.keys()].sort().join(' ');
  if (names(model.streams) !== names(seen.streams)) {
    return `streams: there must be ${names(model.streams)}, there are ${names(seen.streams)}`;
  }
  if (names(model.cursors) !== names(seen.cursors)) {
    return `cursors: there must be ${names(model.cursors)}, there are ${names(seen.cursors)}`;
  }
  for (const [name, stream] of model.streams) {
    const found = differenceOf(stream, seen.streams.get(name)!);
    if (found) return `${name}: ${found}`;
  }
  for (const [name, stream] of model.streams) learn(stream, seen.streams.get(name)!);
  return cursorDifference(model, seen);
}

function differenceOf(model: ModelStream, seen: SeenStream): string | undefined {
  if ((model.incarnation ?? seen.incarnation) !== seen.incarnation) return 'it is another one';
  if (model.lowWater !== seen.lowWater) return `trimmed to ${seen.lowWater}, not ${model.lowWater}`;
  const writers = [...model.writers].map(([writer, whose]) => `${writer} ${whose}`).sort();
  if (`${writers}` !== `${seen.writers}`) return `writers ${seen.writers}, not ${writers}`;
  const copies = [...model.copies.values()]
    .map(({ base, sent }) => `${base} ${sent.length}`)
    .sort();
  if (`${copies}` !== `${seen.copies}`) return `copies ${seen.copies}, not ${copies}`;
  return recordDifference(model.records, seen.records);
}

function recordDifference(
  model: readonly ModelRecord[],
  seen: readonly SeenRecord[],
): string | undefined {
  for (let i = 0; i < Math.max(model.length, seen.length); i++) {
    const [wanted, found] = [model[i], seen[i]];
    const isSame = wanted?.key === found?.key && (wanted?.text ?? found?.text) === found?.text;
    if (isSame) continue;
    const told = wanted?.text ?? wanted?.key ?? 'nothing';
    return `record ${i}: ${told} must be there, there is ${found?.text ?? 'nothing'}`;
  }
  return undefined;
}

function learn(model: ModelStream, seen: SeenStream): void {
  model.incarnation = seen.incarnation;
  model.records.forEach((record, i) => (record.text ??= seen.records[i]!.text));
}

function cursorDifference(model: ModelStore, seen: Seen): string | undefined {
  const incarnations = [...model.streams.values()].map((s) => [s.id, s.incarnation] as const);
  const incarnationOf = new Map(incarnations);
  for (const [name, { stream, offset, copy }] of model.cursors) {
    const found = seen.cursors.get(name)!;
    const wanted = [incarnationOf.get(stream), offset, copy?.isHalted ?? false].join(' ');
    const there = [found.stream, found.offset, found.isHalted].join(' ');
    if (wanted !== there) return `cursor ${name}: ${wanted} must be there, there is ${there}`;
  }
  return undefined;
}
