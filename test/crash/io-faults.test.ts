/**
 * One system call on one file of the store fails: every one of them in turn (a seeded choice in
 * `npm test`), in every way there is. Whatever happens, the exit code and the message are right,
 * everything acknowledged is there exactly once, and a sync that failed is never tried again.
 *
 * Which calls there are is not written down here: a first life under the shim, unharmed, tells.
 */
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect } from 'vitest';
import { KIB } from '../../engine/base/constants.ts';
import { messageOf } from '../../engine/base/errors.ts';
import { eventRun } from '../../engine/store/run-plan.ts';
import { Appender, Store } from '../../engine/store/store.ts';
import { verify } from '../../engine/tools/verify.ts';
import { helicorder, helicorderOut, type Ended } from '../support/cli.ts';
import { count } from '../support/counts.ts';
import { sharedDirectory } from '../support/directory.ts';
import {
  FAULTS,
  callsIn,
  shimEnvironment,
  type Call,
  type CallKind,
  type Strike,
} from '../support/io-shim.ts';
import { Pen, denseLine, inputLine } from '../support/pen.ts';
import { SEED, SeededRandom } from '../support/random.ts';
import { checkSamples, parseRecords } from '../support/records.ts';
import { buildShim, canShim } from '../support/shims.ts';
import { skipLoudly } from '../support/skip.ts';
import { openWriter, recordLines } from '../support/stores.ts';

const testOnShim = skipLoudly(!canShim, 'failing system calls: there is no C compiler (cc)');
const isSoak = process.env['HELICORDER_SOAK'] !== undefined;
/** Of each kind of call and each subject below, in `npm test`. */
const STRIKES_PER_KIND = 2;
/** Lives at a time: most of one is waiting. */
const AT_ONCE = 3;
/** One finding ends no soak, but who has ten looks at them first. */
const FINDINGS_MAX = 10;
const SAMPLES = 'crash/box';

const base = sharedDirectory();
const shim = canShim ? buildShim('io-shim', base) : '';

interface Subject {
  name: string;
  isBuffered: boolean;
  /** a store that there is already */
  template?: () => Promise<string>;
  pen: (dir: string) => Pen;
  /** A life of one process over the store. */
  live: (dir: string, pen: Pen, env: Record<string, string>) => Promise<Ended>;
}

/** Lines that no codec makes smaller, so that few of them fill a segment of 1 MiB. */
const LARGE_BYTES = 40 * KIB;
const LARGE_LINES_BEFORE = 60;
const LARGE_LINES = 40;
const largeLine = denseLine(LARGE_BYTES);

/** The same strikes in every `npm test`; others in the soak, or where a seed is given. */
const STRIKES = isSoak || process.env['HELICORDER_SEED'] ? SEED : 7;

/** A store of small segments, some of them finished and none sealed, whose owner was killed. */
const smallSegments = (
  (made?: Promise<string>) => () =>
    (made ??= makeSmallSegments())
)();

async function makeSmallSegments(): Promise<string> {
  const dir = join(base, 'small');
  await helicorderOut([...recorder(dir), '--segment-size', '1MiB', '--duration', '20ms']);
  const writer = openWriter(dir);
  const [pen] = writer.beginRuns([eventRun(new Pen(dir).stream, 'pen')]);
  for (let seq = 1; seq <= LARGE_LINES_BEFORE; seq++) {
    writer.appendEvents(pen!, [Buffer.from(largeLine(seq))]);
  }
  writer.abandon();
  return dir;
}

const recorder = (dir: string): string[] => [
  ...['run', '--data-dir', dir, '--source', 'synthetic', '--stream', SAMPLES],
  ...['--flush-ms', '1'],
];

const write =
  (lines: number): Subject['live'] =>
  async (_dir, pen, env) => {
    if (await pen.start(lines, { env })) pen.program.endInput();
    return pen.ended();
  };

const record: Subject['live'] = (dir, _pen, env) =>
  helicorder([...recorder(dir), '--duration', '600ms'], { env }).ended;

const onSmallSegments = {
  template: smallSegments,
  pen: (dir: string) => new Pen(dir, largeLine, LARGE_LINES_BEFORE),
};

const SUBJECTS: readonly Subject[] = [
  {
    name: 'a writer makes a store',
    isBuffered: false,
    pen: (dir) => new Pen(dir, inputLine),
    live: write(10),
  },
  ...[false, true].flatMap((isBuffered): Subject[] => {
    const rung = isBuffered ? 'buffered' : 'direct';
    const rest = { isBuffered, ...onSmallSegments };
    return [
      { name: `a writer goes on with a store (${rung})`, ...rest, live: write(LARGE_LINES) },
      { name: `a recorder goes on with a store (${rung})`, ...rest, live: record },
    ];
  }),
];

interface Life {
  dir: string;
  pen: Pen;
  ended: Ended;
  calls: Call[];
}

/** One life over a store of its own, and what `check` makes of it. */
async function lifeOf<T>(
  { template, live, pen: penOf, isBuffered }: Subject,
  strike: Strike | undefined,
  check: (life: Life) => Promise<T>,
): Promise<T> {
  const work = mkdtempSync(join(base, 'life-'));
  try {
    const [dir, log] = [join(work, 'store'), join(work, 'calls')];
    if (template) cpSync(await template(), dir, { recursive: true });
    const pen = penOf(dir);
    const env = shimEnvironment({ shim, dir, log, isBuffered, ...(strike && { strike }) });
    const ended = await live(dir, pen, env);
    return await check({ dir, pen, ended, calls: callsIn(log) });
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** How often each kind of call is made when all goes well. */
async function callCounts(subject: Subject): Promise<Map<CallKind, number>> {
  return lifeOf(subject, undefined, async (life) => {
    expect(life.ended.code, life.ended.stderr).toBe(0);
    await checkStore(life, 'unharmed');
    const counts = new Map<CallKind, number>();
    for (const { kind } of life.calls) counts.set(kind, (counts.get(kind) ?? 0) + 1);
    return counts;
  });
}

/** Every call in every way; in `npm test` some of each kind, far apart, each way in its turn. */
function strikesOf(counts: ReadonlyMap<CallKind, number>, random: SeededRandom): Strike[] {
  return [...counts].flatMap(([kind, calls]) => {
    const faults = FAULTS.filter((fault) => isPossible(kind, fault));
    const all = Array.from({ length: calls }, (_, i) =>
      faults.map((fault): Strike => ({ kind, nth: i + 1, fault })),
    );
    if (isSoak || calls * faults.length <= STRIKES_PER_KIND) return all.flat();
    const first = random.below(faults.length);
    return Array.from({ length: STRIKES_PER_KIND }, (_, i) => {
      const nth = Math.floor(((i + random.next()) * calls) / STRIKES_PER_KIND);
      return all[nth]![(first + i) % faults.length]!;
    });
  });
}

/** Everything acknowledged is there once, and the store can be gone on with. */
async function checkStore({ dir, pen, calls }: Life, where: string): Promise<void> {
  // a life that ended before there was anything leaves nothing to verify
  const isStore = pen.durable > 0 || calls.some(({ path }) => path.endsWith('.seg'));
  if (isStore) expect(await verify(dir), where).toMatchObject({ damage: [] });
  const appender = Appender.open(dir, { stream: pen.stream, writer: 'pen' });
  expect(appender.lastSeq, where).toBeGreaterThanOrEqual(pen.durable);
  appender.close();
  expect(await verify(dir), where).toMatchObject({ ok: true, damage: [] });
  await pen.check(where);
  if (!isStore || Store.open(dir).reader.state.streamNamed(SAMPLES) === undefined) return;
  const account = checkSamples(parseRecords(await recordLines(dir, SAMPLES, 0)));
  expect(account.samples + account.gapTicks, where).toBe(account.scheduled);
}

/** A short call is a write. */
function isPossible(kind: CallKind, fault: Strike['fault']): boolean {
  return fault !== 'short' || /write/.test(kind);
}

/** The exit code and the message for what was done to a life. */
function checkEnd({ dir, ended, calls }: Life, { fault }: Strike, where: string): void {
  const { code, signal, stderr } = ended;
  const struck = calls.find(({ result }) => result === fault);
  const about = `${where}: ${struck?.path ?? 'not reached'}: ${stderr}`;
  if (struck && fault.startsWith('kill')) {
    return expect([code, signal], about).toEqual([null, 'SIGKILL']);
  }
  const isFinal = fault === 'EIO' || (fault === 'ENOSPC' && struck && isOfNames(struck));
  if (struck === undefined || !isFinal) return expect([code, signal], about).toEqual([0, null]);
  if (code === 0 && (fault === 'ENOSPC' || isDispensable(struck))) return;
  expect([code, signal], about).toEqual([74, null]);
  expect(stderr, about).toMatch(new RegExp(`^helicorder: .*: ${fault}$`, 'm'));
  expect(stderr, about).toContain(dir);
}

/** A sync of names, which is final; all else that a disk full for a moment delays is done then. */
function isOfNames({ kind, path }: Call): boolean {
  return kind === 'fsync' || (kind === 'open' && path.endsWith('/log'));
}

/**
 * What a recorder can do without: catalog, chunks, its socket, what is to become one; and a look of
 * its upkeep at what the store is, which is repeated.
 */
function isDispensable({ kind, path }: Call): boolean {
  // SQLite syncs the directory of its files
  if (/^(open|fsync)$/.test(kind) && path.endsWith('/store')) return true;
  if (/catalog\.db|\/chunks|\/control/.test(path)) return true;
  return /^(open|mmap)$/.test(kind) && /\.seg$|\/(mark|store\.json|lock)$/.test(path);
}

/**
 * Once a write or a sync of the log has failed, the process writes nothing into it any more. No
 * sync that failed is followed by another one of the file: it is written again before, or opened
 * and read from the disk, which is what the next start does, and the upkeep of an owner that has
 * gone meanwhile.
 */
function checkNoRetry({ calls }: Life, where: string): void {
  const isLog = ({ kind, path }: Call): boolean =>
    ['pwrite', 'fsync', 'fdatasync'].includes(kind) && /\/log\/[^/]+\.seg$/.test(path);
  const failed = calls.findIndex((call) => call.result === 'EIO' && isLog(call));
  const isWrite = (call: Call): boolean => isLog(call) && call.kind === 'pwrite';
  if (failed >= 0) expect(calls.slice(failed + 1).filter(isWrite), where).toEqual([]);
  for (const [i, call] of calls.entries()) {
    if (!/sync/.test(call.kind) || call.result === 'ok') continue;
    const next = calls.slice(i + 1).find(({ path }) => path === call.path);
    expect(next?.kind ?? 'none', `${where}: after a failed sync`).not.toMatch(/sync/);
  }
}

describe.each(SUBJECTS)('$name', (subject) => {
  testOnShim(
    'whatever call fails, and however: the end is right and nothing acknowledged is lost',
    async () => {
      const random = new SeededRandom(STRIKES);
      const strikes = strikesOf(await callCounts(subject), random);
      const findings: string[] = [];
      let kind: CallKind | undefined;
      await inParallel(strikes, async (strike) => {
        if (findings.length >= FINDINGS_MAX) return;
        if (isSoak && kind !== strike.kind) tell(subject, (kind = strike.kind), findings.length);
        const where = `${strike.kind} ${strike.nth} ${strike.fault}, HELICORDER_SEED=${STRIKES}`;
        const checked = lifeOf(subject, strike, async (life) => {
          checkEnd(life, strike, where);
          checkNoRetry(life, where);
          await checkStore(life, where);
        });
        await checked.catch((error: unknown) => findings.push(`${where}: ${messageOf(error)}`));
        count('I/O faults');
      });
      expect(findings).toEqual([]);
    },
    isSoak ? 7_200_000 : 360_000,
  );
});

/** A soak is under way for an hour, and says nothing of a file before that ends. */
function tell({ name }: Subject, kind: CallKind, findings: number): void {
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
