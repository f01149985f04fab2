/**
 * Failpoints: the edges of durability by name, so that a test can end this process at each of them,
 * or make the step fail, and then look at what it has left behind:
 *
 *   HELICORDER_FAILPOINT=segment-rename:kill-after     (…:kill-after:3 the third time)
 *
 * The lists are what `test/crash/failpoints.test.ts` and `copy-failpoints.test.ts` are made from:
 * an edge that no test reaches fails them. Without the variable, which is looked up once in each
 * thread, an edge is its step.
 */
import { assert } from './assert.ts';
import { HelicorderError } from './errors.ts';

export const STORE_FAILPOINTS = [
  // a small file that is replaced as a whole: whose store it is, the mark
  'replace-sync',
  'replace-rename',
  'replace-directory',
  'store-json',
  'mark',
  // what an owner does before it writes
  'recovered-sync',
  'unbegun-remove',
  'ballast-sync',
  // a segment of the log, from zeros to its end
  'zeros',
  'segment-rename',
  'segment-directory',
  'segment-header',
  'snapshot',
  'footer',
  // a group, and what is said of it
  'group',
  'mark-publish',
  'catalog',
  // a chunk, and what is let go of then
  'chunk-sync',
  'chunk-rename',
  'chunk-directory',
  'chunk-read-back',
  'sealed-entry',
  'recycle',
  'recycle-directory',
  'trim-entry',
  'chunk-remove',
  'chunk-remove-directory',
  'spill-remove',
  // the end of an owner
  'shutdown-entry',
] as const;

/** What a copier asks of both owners, in the order of its protocol; its error is a lost request. */
export const COPIER_FAILPOINTS = [
  'copy-base',
  'copy-open',
  'copy-begin',
  'copy-append',
  'copy-flush',
  'copy-intent',
  'copy-commit',
  'copy-cursor',
  'copy-pin',
] as const;

/** What the owner of the source does for a copy, up to the answer. */
export const SOURCE_FAILPOINTS = ['cursor-entry', 'lost-entry'] as const;

/** What the owner of the target does for a copy, up to the answer. */
export const TARGET_FAILPOINTS = [
  'txn-open',
  'txn-begin',
  'txn-append',
  'txn-flush',
  'txn-commit',
] as const;

/** The same for a transaction that is larger than a group. */
export const SPILL_FAILPOINTS = ['spill-header', 'spill-group', 'spill-directory'] as const;

export const FAILPOINTS = [
  ...STORE_FAILPOINTS,
  ...COPIER_FAILPOINTS,
  ...SOURCE_FAILPOINTS,
  ...TARGET_FAILPOINTS,
  ...SPILL_FAILPOINTS,
] as const;

export const FAILPOINT_ACTIONS = ['kill-before', 'kill-after', 'error'] as const;

export type Failpoint = (typeof FAILPOINTS)[number];
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
  return armed?.point === point ? struck(armed, step) : step();
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
  const isRequest = (COPIER_FAILPOINTS as readonly Failpoint[]).includes(point);
  if (isRequest) return new HelicorderError('DISCONNECTED', `failpoint ${point}: it was lost`);
  return new HelicorderError('STORE_IO', `EIO: failpoint ${point}`);
}

function die(): void {
  process.kill(process.pid, 'SIGKILL');
}

function parse(text: string | undefined): Armed | undefined {
  if (!text) return undefined;
  const [point, action, times = '1'] = text.split(':') as [Failpoint, FailpointAction, string?];
  const isKnown = FAILPOINTS.includes(point) && FAILPOINT_ACTIONS.includes(action);
  assert(isKnown, `HELICORDER_FAILPOINT=${text}: no such failpoint or action`);
  return { point, action, spared: Number(times) - 1 };
}
