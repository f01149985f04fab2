/**
 * What the manual says becomes of a copy (`docs/durability.md`, Copies), worked out from what the
 * model knows of its stores alone.
 */
import type { ErrorCode } from '../../engine/base/errors.ts';
import type { Home } from './history-home.ts';
import {
  RETIRED,
  copyKey,
  type ModelCopy,
  type ModelRecord,
  type ModelStream,
} from './history-model.ts';

export interface Copy {
  source: Home;
  target: Home;
  /** names of streams */
  from: string;
  to: string;
  cursor: string;
  begin: number | undefined;
  batchRecords: number;
}

/** What must become of it. */
export interface Plan {
  /** undefined: it comes to its end */
  code: ErrorCode | undefined;
  /** where it stands, if it comes so far that the target is asked; undefined: nothing happens */
  begun?: Begun;
}

export interface Begun {
  copy: Pick<ModelCopy, 'source' | 'base'>;
  /** by the cursor, and by the target: as it was sent */
  acked: readonly ModelRecord[];
  held: readonly ModelRecord[];
  /** of the source, behind what the target has, up to what that refuses */
  left: readonly ModelRecord[];
  /** the cursor is made by it */
  isNew: boolean;
  /** the target refuses it at once */
  isRefused: boolean;
  /** what the target has may be other records than those of the source are by now */
  mayDiverge: boolean;
}

export function isSampled({ target, to }: Copy): boolean {
  return target.runs.some((run) => run.stream === to && run.sampled !== undefined);
}

export function planOf(what: Copy): Plan {
  const { source, target, from, to, cursor: name, begin } = what;
  const stream = source.model.streams.get(from);
  if (stream === undefined) return { code: 'NO_SUCH_STREAM' };
  const cursor = source.model.cursors.get(name);
  const known = cursor?.copy;
  const isOther = cursor && (cursor.stream !== stream.id || known?.to !== to);
  if (isOther) return { code: 'USAGE' };
  if (known?.isHalted && begin === undefined) return { code: 'SOURCE_DIVERGED' };
  const goesOn = known !== undefined && !known.isHalted;
  const base = goesOn ? known.base : (begin ?? 0);
  if (base > stream.records.length) return { code: 'USAGE' };
  const copy = { source: known?.source ?? String(stream.id), base };
  const begun = beginning(stream, target.model.streams.get(to), copy, goesOn ? known.sent : []);
  begun.isNew = cursor === undefined;
  if (isSampled(what)) begun.isRefused = true;
  return { code: refusalOf(begun, stream), begun };
}

function refusalOf({ isRefused, acked, held, left, copy }: Begun, { records }: ModelStream) {
  if (isRefused) return 'USAGE' as const;
  if (held.length < acked.length) return 'TARGET_ROLLED_BACK' as const;
  return copy.base + held.length + left.length < records.length ? ('USAGE' as const) : undefined;
}

function beginning(
  stream: ModelStream,
  target: ModelStream | undefined,
  copy: Begun['copy'],
  acked: readonly ModelRecord[],
): Begun {
  const held = target?.copies.get(copyKey(copy))?.sent ?? [];
  const here = [...acked, ...stream.records.slice(copy.base + acked.length)];
  const left = stream.records.slice(copy.base + held.length);
  const foreign = left.findIndex(({ writer }) => target?.writers.get(writer) === 'own');
  return {
    ...{ copy, acked, held, isNew: false },
    left: foreign < 0 ? left : left.slice(0, foreign),
    isRefused:
      target !== undefined && (target.kind !== stream.kind || overlaps(target, copy, held)),
    mayDiverge: held.some(
      (record, i) => record !== here[i] || (i >= acked.length && isGone(record)),
    ),
  };
}

/** Its gap is of a run that nothing may name by now: another one stands for it then. */
function isGone({ writer, key }: ModelRecord): boolean {
  return key === `${writer} ${RETIRED}`;
}

/** Another copy of the source has brought what this one would bring again. */
function overlaps(
  { copies }: ModelStream,
  { source, base }: Begun['copy'],
  held: readonly ModelRecord[],
): boolean {
  const end = base + held.length;
  const others = [...copies.values()].filter((one) => one.source === source && one.base !== base);
  return others.some((one) => one.base + one.sent.length > end);
}
