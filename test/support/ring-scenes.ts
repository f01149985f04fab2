/** What may be in a rate group's ring, by chance: rows with gaps between them. */
import fc from 'fast-check';
import type { Reason } from '../../engine/batch/ledger.ts';
import { CHANNEL_TYPES, type ChannelType } from '../../engine/batch/schema.ts';

export interface RowStep {
  kind: 'row';
  latenessNanos: bigint;
  /** per source: did its device give something? */
  valid: boolean[];
  /** of all channels; each takes the bits that its type holds */
  value: bigint;
}

export interface GapStep {
  kind: 'gap';
  reason: Reason;
  ticks: number;
}

export interface Scene {
  /** per source: the types of its channels */
  sources: ChannelType[][];
  firstTick: number;
  resolutionNanos: bigint;
  steps: (RowStep | GapStep)[];
}

export interface SceneLimits {
  sources: number;
  channels: number;
  steps: { minLength: number; maxLength: number };
}

const INTEGER_TYPES = CHANNEL_TYPES.slice(0, 8);
const SUSPENDED_NANOS = 77n;

const gapStep: fc.Arbitrary<GapStep> = fc.record({
  kind: fc.constant('gap' as const),
  reason: fc.constantFrom<Reason>('late', 'overflow', 'suspended'),
  ticks: fc.integer({ min: 1, max: 1000 }),
});

function rowStep(sources: number): fc.Arbitrary<RowStep> {
  const often = fc.integer({ min: 0, max: 9 }).map((n) => n > 0);
  return fc.record({
    kind: fc.constant('row' as const),
    latenessNanos: fc.bigInt({ min: -2000n, max: 100_000n }),
    valid: fc.array(often, { minLength: sources, maxLength: sources }),
    value: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  });
}

/** Scenes of whole numbers: what both ways out of a ring take. */
export function integerScenes({ sources, channels, steps }: SceneLimits): fc.Arbitrary<Scene> {
  const types = fc.array(fc.constantFrom(...INTEGER_TYPES), { minLength: 1, maxLength: channels });
  return fc.array(types, { minLength: 1, maxLength: sources }).chain((shape) => {
    const row = { weight: 6, arbitrary: rowStep(shape.length) };
    return fc.record({
      sources: fc.constant(shape),
      firstTick: fc.nat(1_000_000),
      resolutionNanos: fc.constantFrom(1n, 1000n),
      steps: fc.array(fc.oneof(row, { weight: 1, arbitrary: gapStep }), steps),
    });
  });
}

export interface SceneVisitor {
  row(tick: number, step: RowStep): void;
  /** a suspension has a duration and no ticks */
  gap(tick: number, ticks: number, reason: Reason, nanos: bigint): void;
}

/** Goes through a scene in the order of its ticks. */
export function visit({ firstTick, steps }: Scene, visitor: SceneVisitor): void {
  let tick = firstTick;
  for (const step of steps) {
    if (step.kind === 'row') {
      visitor.row(tick++, step);
      continue;
    }
    const isSuspended = step.reason === 'suspended';
    const ticks = isSuspended ? 0 : step.ticks;
    visitor.gap(tick, ticks, step.reason, isSuspended ? SUSPENDED_NANOS : 0n);
    tick += ticks;
  }
}
