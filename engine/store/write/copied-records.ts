/**
 * Records of other stores as they come into this one: in runs that say where they are from, and
 * once. Each copy is a writer of its own, named `source store/incarnation/base`, whose seq n is the
 * source's offset base + n − 1: two copies of one source that began at different offsets would
 * bring the same records twice, each of them exactly once.
 *
 * A writer is known by its latest run, and one name in a stream is one writer: of this store, which
 * issues its epochs and seqs, or of others. Where it were both, seqs would be issued twice.
 */
import { HelicorderError } from '../../base/errors.ts';
import { encodeBatch, encodeEvents, encodeGap, encodeTimes } from '../../batch/format.ts';
import { DERIVED, type Origin, type Piece } from '../../txn/piece.ts';
import type { HeldPosition } from '../../txn/position.ts';
import { KIND } from '../entries/format.ts';
import type { GroupBuilder } from '../log/group.ts';
import type { CopiedRun } from './group-plan.ts';
import type { ControlState } from '../state/state.ts';

/** @throws USAGE if another copy has brought records that this one has still to bring */
export function checkOverlap(
  state: ControlState,
  stream: { id: number; name: string },
  writer: string,
  { hi }: Pick<HeldPosition, 'hi'>,
): void {
  const own = sourceOf(writer);
  for (const other of state.transactions.values()) {
    if (other.stream !== stream.id || other.writer === writer) continue;
    const { source, base } = sourceOf(other.writer);
    if (source !== own.source || base + other.hi <= own.base + hi) continue;
    throw new HelicorderError(
      'USAGE',
      `${stream.name} has the source's offsets ${base} to ${base + other.hi} from another copy: ` +
        `one that goes on at ${own.base + hi} would double them; go on with the cursor of that ` +
        'copy, or choose another target',
    );
  }
}

function sourceOf(writer: string): { source: string; base: number } {
  const slash = writer.lastIndexOf('/');
  return { source: writer.slice(0, slash), base: Number(writer.slice(slash + 1)) };
}

/**
 * Records of a writer that this store has itself do not come into its stream; those that were
 * derived in another way may follow those that are here, not repeat them.
 * @throws USAGE
 */
export function checkForeign(
  state: ControlState,
  stream: { id: number; name: string },
  { origin, originSeq }: Pick<Piece, 'origin' | 'originSeq'>,
): void {
  const latest = state.latestRun(stream.id, origin.writer);
  if (latest === undefined) return;
  if (latest.copied === undefined) {
    throw new HelicorderError(
      'USAGE',
      `${stream.name} has a writer ${origin.writer} of its own: records of another one of that ` +
        'name would be taken for its; choose another target',
    );
  }
  if (originSeq >= latest.nextSeq) return;
  const [here, there] = [derivationOf(latest), derivationOf(origin)];
  if (here === there) return;
  throw new HelicorderError(
    'USAGE',
    `${stream.name} holds records of ${origin.writer} up to seq ${latest.nextSeq - 1}, ` +
      `${here ? `derived (${here})` : 'as they were recorded'}; choose another target`,
  );
}

/** A writer's epoch and first seq tell its runs apart; a copied store may have used both again. */
export function isSameRun(a: RunIdentity, b: RunIdentity): boolean {
  return (
    a.epoch === b.epoch &&
    a.firstSeq === b.firstSeq &&
    a.bootId === b.bootId &&
    a.clock.monotonicNanos === b.clock.monotonicNanos
  );
}

type RunIdentity = Pick<Origin, 'epoch' | 'firstSeq' | 'bootId' | 'clock'>;

export function derivationOf({ attributes }: Pick<Origin, 'attributes'>): string | undefined {
  return attributes.find(([name]) => name === DERIVED)?.[1];
}

export function copiedRun({ run, ...origin }: Origin, from: number): CopiedRun {
  return { ...origin, copied: { run, from } };
}

export function addPiece(
  builder: GroupBuilder,
  stream: number,
  { content, originSeq: firstSeq }: Piece,
  { run, firstOffset }: { run: number; firstOffset: number },
): void {
  const place = { run, firstSeq, firstOffset };
  if (content.kind === 'batch') {
    builder.add(KIND.times, 0, encodeTimes(content.times));
    const batch = { ...content.batch, run, firstSeq, firstOffset, timesDistance: 1 };
    builder.add(KIND.batch, stream, encodeBatch(batch));
  } else if (content.kind === 'events') {
    builder.add(KIND.events, stream, encodeEvents({ ...content.events, ...place }));
  } else {
    builder.add(KIND.gap, stream, encodeGap({ ...content.gap, ...place }));
  }
}
