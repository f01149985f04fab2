/**
 * Programs of which one system call on a file of a store fails: which calls are struck in how many
 * lives, and what must hold of an end, whatever it was that was struck (`io-shim.ts`).
 */
import { dirname, join } from 'node:path';
import { expect } from 'vitest';
import { messageOf } from '../../engine/base/errors.ts';
import type { Ended } from './cli.ts';
import { count } from './counts.ts';
import { FAULTS, type Call, type CallKind, type Strike } from './io-shim.ts';
import { SEED, SeededRandom } from './random.ts';

const isSoak = process.env['HELICORDER_SOAK'] !== undefined;
/** Lives at a time: most of one is waiting. */
const AT_ONCE = 3;
/** One finding ends no soak, but who has ten looks at them first. */
const FINDINGS_MAX = 10;
/** The same strikes in every `npm test`; others in the soak, or where a seed is given. */
const STRIKES = isSoak || process.env['HELICORDER_SEED'] ? SEED : 7;

export const STRIKES_TIMEOUT_MS = isSoak ? 7_200_000 : 360_000;

/** One life over stores of its own. */
export interface StruckLife {
  /** of its stores */
  dirs: readonly string[];
  /** the one among them that it reads before it owns it */
  source?: string;
  ended: Ended;
  calls: readonly Call[];
}

/**
 * Every call in every way; in `npm test` some of each kind, far apart, each way in its turn.
 * @param calls of a life that nothing has struck
 */
function strikesOf(calls: readonly Call[], perKind: number): Strike[] {
  const random = new SeededRandom(STRIKES);
  return [...countsOf(calls)].flatMap(([kind, count]) => {
    const faults = FAULTS.filter((fault) => isPossible(kind, fault));
    const all = Array.from({ length: count }, (_, i) =>
      faults.map((fault): Strike => ({ kind, nth: i + 1, fault })),
    );
    if (isSoak || count * faults.length <= perKind) return all.flat();
    const first = random.below(faults.length);
    return Array.from({ length: perKind }, (_, i) => {
      const nth = Math.floor(((i + random.next()) * count) / perKind);
      return all[nth]![(first + i) % faults.length]!;
    });
  });
}

/** How often each kind of call was made. */
function countsOf(calls: readonly Call[]): Map<CallKind, number> {
  const counts = new Map<CallKind, number>();
  for (const { kind } of calls) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  return counts;
}

/** A short call is a write; a kill where something is read is one where nothing happens. */
function isPossible(kind: CallKind, fault: Strike['fault']): boolean {
  if (/read/.test(kind)) return fault === 'EIO';
  return fault !== 'short' || /write/.test(kind);
}

/**
 * One life for each strike, some of them at a time. All that goes wrong is told at the end.
 * @param perKind strikes of each kind of call, in `npm test`
 * @param live a life, and all that must hold behind it
 */
export async function strikeEach(
  name: string,
  { calls, perKind }: { calls: readonly Call[]; perKind: number },
  live: (strike: Strike, where: string) => Promise<void>,
): Promise<void> {
  const findings: string[] = [];
  let kind: CallKind | undefined;
  await inParallel(strikesOf(calls, perKind), async (strike) => {
    if (findings.length >= FINDINGS_MAX) return;
    if (isSoak && kind !== strike.kind) tell(name, (kind = strike.kind), findings.length);
    const where = `${strike.kind} ${strike.nth} ${strike.fault}, HELICORDER_SEED=${STRIKES}`;
    await live(strike, where).catch((error: unknown) => {
      findings.push(`${where}: ${messageOf(error)}`);
      if (isSoak) process.stderr.write(`io-faults: ${name}: ${findings.at(-1)}\n`);
    });
    count('I/O faults');
  });
  expect(findings).toEqual([]);
}

/** A soak is under way for an hour, and says nothing of a file before that ends. */
function tell(name: string, kind: CallKind, findings: number): void {
  process.stderr.write(`io-faults: ${name}: ${findings} findings before ${kind}\n`);
}

/** A few at a time. */
async function inParallel<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const left = items.values();
  const worker = async (): Promise<void> => {
    for (const item of left) await work(item);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
}

/** The exit code and the message for what was done to a life. */
export function checkEnd(life: StruckLife, { fault }: Strike, where: string): void {
  const { dirs, ended, calls } = life;
  const { code, signal, stderr } = ended;
  const struck = calls.find(({ result }) => result === fault);
  const about = `${where}: ${struck?.path ?? 'not reached'}: ${stderr}`;
  if (struck && fault.startsWith('kill')) {
    return expect([code, signal], about).toEqual([null, 'SIGKILL']);
  }
  const isFinal = fault === 'EIO' || (fault === 'ENOSPC' && struck && endsForSpace(struck, life));
  if (struck === undefined || !isFinal) return expect([code, signal], about).toEqual([0, null]);
  if (code === 0 && (fault === 'ENOSPC' || isDispensable(struck, dirs))) return;
  expect([code, signal], about).toEqual([74, null]);
  expect(stderr, about).toMatch(new RegExp(`^helicorder: .*: ${fault}$`, 'm'));
  expect(stderr, about).toContain(dirs.find((dir) => struck.path.startsWith(dir)));
}

/**
 * A sync of names is final, and so is what a reader cannot open, or sync before it believes it; all
 * else that a disk full for a moment delays is done then.
 */
function endsForSpace({ kind, path }: Call, { dirs, source }: StruckLife): boolean {
  if (kind === 'fsync') return true;
  if (kind === 'open' && (/\/(log|txn)$/.test(path) || dirs.includes(path))) return true;
  const isRead = source !== undefined && path.startsWith(source);
  return isRead && /^(open|mmap|fdatasync)$/.test(kind);
}

/**
 * What an owner can do without: catalog, chunks, its socket, what is to become one; a claim, which
 * only keeps others back; the removal of garbage; and a look of its upkeep at what the store is,
 * which is repeated.
 */
function isDispensable({ kind, path }: Call, dirs: readonly string[]): boolean {
  // SQLite syncs the directory of its files
  if (/^(open|fsync)$/.test(kind) && dirs.includes(path)) return true;
  if (/catalog\.db|\/chunks|\/control/.test(path)) return true;
  if (kind === 'unlink' && path.endsWith('.spill')) return true;
  return /^(open|p?read|mmap)$/.test(kind) && /\.seg$|\/(mark|store\.json|lock|claim)$/.test(path);
}

/**
 * Once a write or a sync of a log has failed, nothing is written into it before somebody, who may
 * be the same process, has taken its lock anew, and so reads what is there from the disk. No
 * sync that failed is followed by another one of the file: it is written again before, or opened
 * and read from the disk, which is what the next start does, and the upkeep of an owner that has
 * gone meanwhile.
 */
export function checkNoRetry({ calls }: StruckLife, where: string): void {
  const isLog = ({ kind, path }: Call): boolean =>
    ['pwrite', 'fsync', 'fdatasync'].includes(kind) && /\/log\/[^/]+\.seg$/.test(path);
  const failed = calls.findIndex((call) => call.result === 'EIO' && isLog(call));
  const log = dirname(calls[failed]?.path ?? '');
  const isWrite = (call: Call): boolean =>
    isLog(call) && call.kind === 'pwrite' && dirname(call.path) === log;
  // a reader looks at the lock as well; only who has it tries how the log can be written
  const isNextOwner = ({ kind, path }: Call): boolean =>
    kind === 'open' && path === join(log, '.probe-direct');
  if (failed >= 0) {
    const next = calls.findIndex((call, i) => i > failed && isNextOwner(call));
    const byThisOwner = calls.slice(failed + 1, next < 0 ? undefined : next);
    expect(byThisOwner.filter(isWrite), where).toEqual([]);
  }
  for (const [i, call] of calls.entries()) {
    if (!/sync/.test(call.kind) || call.result === 'ok') continue;
    const next = calls.slice(i + 1).find(({ path }) => path === call.path);
    expect(next?.kind ?? 'none', `${where}: after a failed sync`).not.toMatch(/sync/);
  }
}
