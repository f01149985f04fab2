/**
 * Retention: which data goes, and why. A pure function from what is held to new low-water marks;
 * `upkeep.ts` gathers the facts and carries the answer out.
 *
 * Three things make data go, in this order: it is older than its stream keeps, its stream holds
 * more than it may, or the store as a whole is over its budget (or the disk short of what is to
 * stay free). The last takes what is due by the first two and held by a cursor, and then only from
 * streams that are set to drop their oldest: class by class, bulk first, and within a class from
 * whoever's data is oldest. What is dropped is what a chunk holds of a stream, whole: what has not
 * been sealed yet is never dropped.
 *
 * A cursor holds what its consumer has not read: age and share wait for it, the budget does not.
 */
import {
  maxAgeNanos,
  ruleFor,
  type RetentionRule,
  type StreamClass,
} from '../../base/retention.ts';

/** What one chunk holds of one stream. */
export interface HeldPart {
  stream: number;
  /** the stream's next offset at the end of the chunk */
  endOffset: number;
  bytes: number;
  /** those of them that lie under the store's own directory, which the budget is about */
  localBytes: number;
  /** UTC ns of the last sample or event; undefined if it has none */
  lastNanos: bigint | undefined;
}

export interface RetentionFacts {
  nowNanos: bigint;
  /** how much the store holds too much; at most 0: nothing */
  overBytes: number;
  rules: readonly RetentionRule[];
  streams: ReadonlyMap<number, { name: string; lowWater: number }>;
  /** stream → the least offset of its cursors, from which on it is held */
  holds: ReadonlyMap<number, number>;
  /** in order of the chain: oldest first */
  parts: readonly HeldPart[];
}

export interface RetentionPlan {
  /** stream → new low-water mark */
  lowWaters: Map<number, number>;
  /** bytes that would still be too many: nothing may be dropped for them */
  leftOverBytes: number;
  /** local bytes that may still be dropped, if more room is needed */
  droppableBytes: number;
}

const DROP_ORDER: readonly StreamClass[] = ['bulk', 'normal', 'critical'];

export function planRetention(facts: RetentionFacts): RetentionPlan {
  const plan = new Plan(facts);
  plan.dropAged();
  plan.dropAboveShare();
  const leftOverBytes = plan.dropForBudget(facts.overBytes);
  return { leftOverBytes, lowWaters: plan.lowWaters, droppableBytes: plan.droppableBytes() };
}

interface Held extends HeldPart {
  rule: RetentionRule;
  isGone: boolean;
}

class Plan {
  readonly lowWaters = new Map<number, number>();
  readonly #facts: RetentionFacts;
  readonly #held: Held[];
  readonly #byStream = new Map<number, Held[]>();
  /** it is time for them to go, but they are held */
  readonly #overdue = new Set<Held>();

  constructor(facts: RetentionFacts) {
    this.#facts = facts;
    this.#held = facts.parts.flatMap((part) => {
      const stream = facts.streams.get(part.stream);
      if (stream === undefined || part.endOffset <= stream.lowWater) return [];
      return [{ ...part, rule: ruleFor(facts.rules, stream.name), isGone: false }];
    });
    for (const part of this.#held) {
      const own = this.#byStream.get(part.stream);
      if (own) own.push(part);
      else this.#byStream.set(part.stream, [part]);
    }
  }

  dropAged(): void {
    for (const part of this.#held) {
      const ageNanos = maxAgeNanos(part.rule);
      if (ageNanos === undefined || part.lastNanos === undefined) continue;
      if (part.lastNanos < this.#facts.nowNanos - ageNanos) this.#dropUnlessHeld(part);
    }
  }

  dropAboveShare(): void {
    const kept = new Map<number, number>();
    for (const part of this.#held.toReversed()) {
      const bytes = (kept.get(part.stream) ?? 0) + part.bytes;
      kept.set(part.stream, bytes);
      if (part.rule.bytes !== undefined && bytes > part.rule.bytes) this.#dropUnlessHeld(part);
    }
  }

  /** @returns bytes that nothing may be dropped for */
  dropForBudget(overBytes: number): number {
    let left = overBytes - this.#goneBytes();
    for (const part of this.#held) {
      if (left <= 0) return 0;
      if (this.#overdue.has(part) && part.localBytes > 0) left -= this.#drop(part);
    }
    for (const dropped of DROP_ORDER) {
      for (const part of this.#held) {
        if (left <= 0) return 0;
        const { rule } = part;
        if (part.isGone || part.localBytes === 0) continue;
        if (rule.onFull !== 'drop-oldest' || rule.class !== dropped) continue;
        left -= this.#drop(part);
      }
    }
    return Math.max(0, left);
  }

  droppableBytes(): number {
    return this.#held.reduce((sum, { isGone, rule, localBytes }) => {
      return sum + (isGone || rule.onFull !== 'drop-oldest' ? 0 : localBytes);
    }, 0);
  }

  #goneBytes(): number {
    return this.#held.reduce((sum, part) => sum + (part.isGone ? part.localBytes : 0), 0);
  }

  #dropUnlessHeld(part: Held): void {
    const hold = this.#facts.holds.get(part.stream) ?? Infinity;
    if (part.endOffset <= hold) this.#drop(part);
    else this.#overdue.add(part);
  }

  /** With a part go all before it of the same stream. @returns the local bytes of them */
  #drop(last: Held): number {
    let bytes = 0;
    for (const part of this.#byStream.get(last.stream)!) {
      if (part.endOffset > last.endOffset || part.isGone) continue;
      part.isGone = true;
      bytes += part.localBytes;
    }
    const known = this.lowWaters.get(last.stream) ?? 0;
    this.lowWaters.set(last.stream, Math.max(known, last.endOffset));
    return bytes;
  }
}
