/**
 * Failpoints: the edges of durability by name, so that a test can end this process at each of them,
 * or make the step fail, and then look at what it has left behind:
 *
 *   HELICORDER_FAILPOINT=segment-rename:kill-after     (…:kill-after:3 the third time)
 *
 * The table is what `test/crash/failpoints.test.ts` and `copy-failpoints.test.ts` are made from:
 * an edge that no test reaches fails them. Without the variable, which is looked up once in each
 * thread, an edge is its step.
 */
import { assert } from './assert.ts';
import { HelicorderError } from './errors.ts';

/** The nine steps on which a record goes, from its sensor to its target (docs/durability.md). */
export const STEPS = {
  1: 'sample',
  2: 'make durable',
  3: 'read for sending',
  4: 'send',
  5: 'the target receives',
  6: 'the target writes',
  7: 'acknowledge',
  8: 'acknowledged, not released',
  9: 'release',
  // no step of a record: what an owner does to begin, to seal, and to end
  inside: 'within the store',
} as const;

export type Step = keyof typeof STEPS;

/** Who comes to it, and so who is to die there; `spill`: the target's owner, of a large commit. */
export type Victim = 'recorder' | 'copier' | 'source' | 'target' | 'spill';

interface Row {
  step: Step;
  of: Victim;
  points: readonly string[];
}

const TABLE = [
  // between the ring and a group
  { step: 1, of: 'recorder', points: ['drain'] },
  { step: 2, of: 'recorder', points: ['group', 'mark-publish'] },
  // a segment of the log, from zeros to its end
  { step: 2, of: 'recorder', points: ['zeros', 'segment-rename', 'segment-directory'] },
  { step: 2, of: 'recorder', points: ['segment-header', 'snapshot', 'footer'] },
  { step: 3, of: 'copier', points: ['copy-read', 'copy-pin'] },
  { step: 3, of: 'source', points: ['lost-entry'] },
  { step: 4, of: 'copier', points: ['copy-base', 'copy-open', 'copy-begin', 'copy-append'] },
  { step: 4, of: 'copier', points: ['copy-flush', 'copy-intent'] },
  { step: 5, of: 'target', points: ['txn-open', 'txn-begin', 'txn-append', 'txn-flush'] },
  { step: 6, of: 'target', points: ['txn-commit'] },
  { step: 6, of: 'spill', points: ['spill-header', 'spill-group', 'spill-directory'] },
  { step: 7, of: 'copier', points: ['copy-commit'] },
  { step: 7, of: 'target', points: ['commit-answer'] },
  { step: 8, of: 'copier', points: ['copy-cursor'] },
  { step: 9, of: 'source', points: ['cursor-entry'] },
  { step: 9, of: 'recorder', points: ['trim-entry', 'chunk-remove', 'chunk-remove-directory'] },
  // a small file that is replaced as a whole: whose store it is, the mark
  { step: 'inside', of: 'recorder', points: ['replace-sync', 'replace-rename'] },
  { step: 'inside', of: 'recorder', points: ['replace-directory', 'store-json', 'mark'] },
  // what an owner does before it writes
  { step: 'inside', of: 'recorder', points: ['recovered-sync', 'unbegun-remove'] },
  { step: 'inside', of: 'recorder', points: ['ballast-sync', 'spill-remove'] },
  { step: 'inside', of: 'recorder', points: ['catalog'] },
  // a chunk, and the segments that it stands for from then on
  { step: 'inside', of: 'recorder', points: ['chunk-sync', 'chunk-rename', 'chunk-directory'] },
  { step: 'inside', of: 'recorder', points: ['chunk-read-back', 'sealed-entry'] },
  { step: 'inside', of: 'recorder', points: ['recycle', 'recycle-directory'] },
  { step: 'inside', of: 'recorder', points: ['shutdown-entry'] },
] as const satisfies readonly Row[];

export type Failpoint = (typeof TABLE)[number]['points'][number];

/** An edge by its step, for whoever makes tests of them. */
export interface Edge {
  step: Step;
  of: Victim;
  point: Failpoint;
}

export const EDGES: readonly Edge[] = TABLE.flatMap(({ step, of, points }) =>
  points.map((point) => ({ step, of, point })),
);

export const FAILPOINT_ACTIONS = ['kill-before', 'kill-after', 'error'] as const;

export type FailpointAction = (typeof FAILPOINT_ACTIONS)[number];

interface Armed {
  point: Failpoint;
  action: FailpointAction;
  /** times that it is passed unharmed */
  spared: number;
}

const armed = parse(process.env['HELICORDER_FAILPOINT']);

/** Takes a step across an edge of durability. @returns what it returns */
export function edge<T>(point: Failpoint, step: () => T): T {
  return edgeNamed(point, step);
}

/** The same where it has the name of a request, of which only some are edges. */
export function edgeNamed<T>(name: string, step: () => T): T {
  return armed?.point === name ? struck(armed, step) : step();
}

function struck<T>(failpoint: Armed, step: () => T): T {
  if (failpoint.spared-- !== 0) return step();
  if (failpoint.action === 'error') throw errorAt(failpoint.point);
  if (failpoint.action === 'kill-before') die();
  const result = step();
  if (result instanceof Promise) return result.finally(die) as T;
  die();
  return result;
}

function errorAt(point: Failpoint): HelicorderError {
  if (isRequest(point))
    return new HelicorderError('DISCONNECTED', `failpoint ${point}: it was lost`);
  return new HelicorderError('STORE_IO', `EIO: failpoint ${point}`);
}

/** What a copier asks of an owner: its error is a request that got lost. */
function isRequest(point: Failpoint): boolean {
  return point.startsWith('copy-') && point !== 'copy-read';
}

function die(): void {
  process.kill(process.pid, 'SIGKILL');
}

function parse(text: string | undefined): Armed | undefined {
  if (!text) return undefined;
  const [point, action, times = '1'] = text.split(':') as [Failpoint, FailpointAction, string?];
  const isPoint = EDGES.some((known) => known.point === point);
  const isKnown = isPoint && FAILPOINT_ACTIONS.includes(action);
  assert(isKnown, `HELICORDER_FAILPOINT=${text}: no such failpoint or action`);
  return { point, action, spared: Number(times) - 1 };
}
