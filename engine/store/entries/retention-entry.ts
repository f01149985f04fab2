/**
 * What the store was last told to keep: its budget, and the rules of its streams. The recorder says
 * it, from its configuration; whoever owns the store without one, as `stream write` and a copy may,
 * goes by that.
 */
import { NANOS_PER_MILLI } from '../../base/constants.ts';
import { ON_FULL, STREAM_CLASSES, maxAgeNanos, type RetentionRule } from '../../base/retention.ts';
import { control, count, list, nanos, object, optional, text } from './control-fields.ts';
import { ENTRY_FLAG, KIND } from './format.ts';
import type { SnapshotPart } from './snapshot-part.ts';

/** What a store may take of its disk. */
export interface StoreBudget {
  /** of everything under the store's directory */
  bytes: number | undefined;
  /** what is to stay free on the disk */
  minFreeBytes: number;
}

export interface RetentionEntry {
  budget: StoreBudget;
  /** the first that matches a stream counts */
  rules: readonly RetentionRule[];
}

interface WrittenRule {
  pattern: string;
  age: bigint | undefined;
  bytes: number | undefined;
  onFull: string;
  class: string;
}

interface WrittenEntry {
  bytes: number | undefined;
  minFree: number;
  rules: WrittenRule[];
}

const writtenEntry = control<WrittenEntry>('retention', {
  bytes: optional(count),
  minFree: count,
  rules: list(
    object<WrittenRule>({
      pattern: text,
      age: optional(nanos),
      bytes: optional(count),
      onFull: text,
      class: text,
    }),
  ),
});

export const retentionEntry = {
  encode({ budget, rules }: RetentionEntry): Uint8Array {
    return writtenEntry.encode({
      bytes: wholeBytes(budget.bytes),
      minFree: Math.ceil(budget.minFreeBytes),
      rules: rules.map(({ ageMs, ...rule }) => ({
        ...rule,
        bytes: wholeBytes(rule.bytes),
        age: maxAgeNanos({ ageMs }),
      })),
    });
  },

  /** @throws DAMAGED */
  decode(payload: Uint8Array): RetentionEntry {
    const { bytes, minFree, rules } = writtenEntry.decode(payload);
    return {
      budget: { bytes, minFreeBytes: minFree },
      rules: rules.map(({ age, ...rule }) => ({
        ...rule,
        // a word of a later version is read as the one that loses nothing
        onFull: known(ON_FULL, rule.onFull) ?? 'reject-new',
        class: known(STREAM_CLASSES, rule.class) ?? 'critical',
        ageMs: age === undefined ? undefined : Number(age) / NANOS_PER_MILLI,
      })),
    };
  },
};

/** An older version passes it over. */
export function retentionPart(entry: RetentionEntry): SnapshotPart {
  const payload = retentionEntry.encode(entry);
  return { kind: KIND.retention, flags: ENTRY_FLAG.ignorable, payload };
}

export function sameRetention(a: RetentionEntry | undefined, b: RetentionEntry): boolean {
  if (a === undefined) return false;
  const [left, right] = [a, b].map((entry) => retentionEntry.encode(entry));
  return Buffer.compare(left!, right!) === 0;
}

/** A size of 0.3MiB has a fraction of a byte. */
function wholeBytes(bytes: number | undefined): number | undefined {
  return bytes === undefined ? undefined : Math.floor(bytes);
}

function known<T extends string>(words: readonly T[], word: string): T | undefined {
  return words.find((one) => one === word);
}
