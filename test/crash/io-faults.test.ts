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
import { eventRun } from '../../engine/store/write/group-plan.ts';
import { Appender } from '../../engine/store/appender.ts';
import { Store } from '../../engine/store/store.ts';
import { verify } from '../../engine/tools/verify.ts';
import { helicorder, helicorderOut, type Ended } from '../support/cli.ts';
import { sharedDirectory } from '../support/directory.ts';
import { callsIn, shimEnvironment, type Call, type Strike } from '../support/io-shim.ts';
import {
  STRIKES_TIMEOUT_MS,
  checkEnd,
  checkNoRetry,
  strikeEach,
  type StruckLife,
} from '../support/io-strikes.ts';
import { Pen, denseLine, inputLine } from '../support/pen.ts';
import { checkSamples, parseRecords } from '../support/records.ts';
import { buildShim, canShim } from '../support/shims.ts';
import { skipLoudly } from '../support/skip.ts';
import { openWriter, recordLines } from '../support/stores.ts';

const testOnShim = skipLoudly(!canShim, 'failing system calls: there is no C compiler (cc)');
/** Of each kind of call and each subject below, in `npm test`. */
const STRIKES_PER_KIND = 2;
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

/** Some fifty flushes in a life: each is struck alike, and the soak is to come to its end. */
const FLUSH_MS = '10';

const recorder = (dir: string): string[] => [
  ...['run', '--data-dir', dir, '--source', 'synthetic', '--stream', SAMPLES],
  ...['--flush-ms', FLUSH_MS],
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

interface Life extends StruckLife {
  dir: string;
  pen: Pen;
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
    return await check({ dir, dirs: [dir], pen, ended, calls: callsIn(log) });
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** The calls that are made when all goes well. */
function callsOf(subject: Subject): Promise<readonly Call[]> {
  return lifeOf(subject, undefined, async (life) => {
    expect(life.ended.code, life.ended.stderr).toBe(0);
    await checkStore(life, 'unharmed');
    return life.calls;
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

describe.each(SUBJECTS)('$name', (subject) => {
  testOnShim(
    'whatever call fails, and however: the end is right and nothing acknowledged is lost',
    async () => {
      const calls = await callsOf(subject);
      await strikeEach(subject.name, { calls, perKind: STRIKES_PER_KIND }, (strike, where) =>
        lifeOf(subject, strike, async (life) => {
          checkEnd(life, strike, where);
          checkNoRetry(life, where);
          await checkStore(life, where);
        }),
      );
    },
    STRIKES_TIMEOUT_MS,
  );
});
