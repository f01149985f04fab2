/** How long streams are kept, and what happens to them where the disk is too small for all. */
import { NANOS_PER_MILLI } from './constants.ts';

/** What a stream does when there is no room: refuse what is new, or let go of what is oldest. */
export const ON_FULL = ['reject-new', 'drop-oldest'] as const;
export type OnFull = (typeof ON_FULL)[number];

/** Under pressure the bulk goes first, what is critical last. */
export const STREAM_CLASSES = ['critical', 'normal', 'bulk'] as const;
export type StreamClass = (typeof STREAM_CLASSES)[number];

export interface RetentionRule {
  /** a stream's `scope/name`, with `*` for any characters within each; `*` alone: every stream */
  pattern: string;
  /** undefined: whatever its age */
  ageMs: number | undefined;
  /** of one stream, as stored; undefined: whatever its size */
  bytes: number | undefined;
  onFull: OnFull;
  class: StreamClass;
}

/** What holds where no rule says otherwise. */
export const KEEP_ALL: RetentionRule = {
  pattern: '*',
  ageMs: undefined,
  bytes: undefined,
  onFull: 'reject-new',
  class: 'normal',
};

/** undefined: whatever its age */
export function maxAgeNanos({ ageMs }: Pick<RetentionRule, 'ageMs'>): bigint | undefined {
  return ageMs === undefined ? undefined : BigInt(Math.round(ageMs * NANOS_PER_MILLI));
}

/** The first rule that matches. */
export function ruleFor(rules: readonly RetentionRule[], streamName: string): RetentionRule {
  return rules.find(({ pattern }) => matchesPattern(pattern, streamName)) ?? KEEP_ALL;
}

/** Does the pattern of a rule name this stream? `*` stands for no slash unless it stands alone. */
export function matchesPattern(pattern: string, streamName: string): boolean {
  if (pattern === '*' || pattern === streamName) return true;
  if (!pattern.includes('*')) return false;
  const patterns = pattern.split('/');
  const parts = streamName.split('/');
  if (patterns.length !== parts.length) return false;
  return patterns.every((one, i) => matchesPart(one, parts[i]!));
}

/**
 * Pieces between the stars, each at the first place it fits: as good as any later one, so nothing
 * is tried twice, whatever the pattern.
 */
function matchesPart(pattern: string, text: string): boolean {
  const pieces = pattern.split('*');
  const head = pieces.shift()!;
  const tail = pieces.pop();
  if (tail === undefined) return text === head;
  if (!text.startsWith(head) || !text.endsWith(tail)) return false;
  const end = text.length - tail.length;
  let at = head.length;
  for (const piece of pieces) {
    const found = text.indexOf(piece, at);
    if (found < 0) return false;
    at = found + piece.length;
  }
  return at <= end;
}
