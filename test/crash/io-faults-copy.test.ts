/**
 * One system call on one file of either store fails while a copy goes on between two stores that
 * are both owned by its process (`io-faults.test.ts` has those of one store). Whatever happens, the
 * exit code and the message are right, no sync is tried again, and the next copy needs no help:
 * it ends well, and the target holds what the source holds, each record once.
 */
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect } from 'vitest';
import { KIB } from '../../engine/base/constants.ts';
import { verify } from '../../engine/tools/verify.ts';
import { helicorder, helicorderRun } from '../support/cli.ts';
import { COPIED_STREAM, copyOnce, expectSame } from '../support/copies.ts';
import { sharedDirectory } from '../support/directory.ts';
import { callsIn, shimEnvironment, type Call, type Strike } from '../support/io-shim.ts';
import {
  STRIKES_TIMEOUT_MS,
  checkEnd,
  checkNoRetry,
  strikeEach,
  type StruckLife,
} from '../support/io-strikes.ts';
import { LocalOwner } from '../support/local-owner.ts';
import { denseLine } from '../support/pen.ts';
import { buildShim, canShim } from '../support/shims.ts';
import { skipLoudly } from '../support/skip.ts';
import { beginEvents } from '../support/stores.ts';

const testOnShim = skipLoudly(!canShim, 'failing system calls: there is no C compiler (cc)');
/** Of each kind of call and each subject below, in `npm test`. */
const STRIKES_PER_KIND = 1;
const CURSOR = 'copy';
/** Lines that no codec makes smaller, so that few of them fill a segment of 1 MiB. */
const line = denseLine(40 * KIB);
const LINES_BEFORE = 20;
const LINES = 20;

const base = sharedDirectory();
const shim = canShim ? buildShim('io-shim', base) : '';

interface Subject {
  name: string;
  isBuffered: boolean;
  /** more than are left are spilled: they are one transaction */
  batchRecords: number;
}

const SUBJECTS: readonly Subject[] = [
  { name: 'a copy goes on between two stores (direct)', isBuffered: false, batchRecords: 7 },
  { name: 'a copy in one transaction (buffered)', isBuffered: true, batchRecords: 1_000_000_000 },
];

/** A source with segments that nobody has sealed, and what has come of it to a target. */
const template = (
  (made?: Promise<string>) => () =>
    (made ??= makeTemplate())
)();

async function makeTemplate(): Promise<string> {
  const stores = join(base, 'template');
  const [from, to] = [new LocalOwner(join(stores, 'from')), new LocalOwner(join(stores, 'to'))];
  const pen = beginEvents(from.writer, COPIED_STREAM);
  const append = (first: number, count: number): void => {
    for (let seq = first; seq < first + count; seq++) {
      from.writer.appendEvents(pen, [Buffer.from(line(seq))]);
    }
  };
  append(1, LINES_BEFORE);
  await copyOnce(endOf(from), endOf(to), { cursor: CURSOR });
  append(LINES_BEFORE + 1, LINES);
  from.writer.abandon();
  to.writer.abandon();
  return stores;
}

const endOf = (owner: LocalOwner) => ({ dir: owner.dir, owner: owner.connect() });

interface Life extends StruckLife {
  from: string;
  to: string;
  words: readonly string[];
}

/** One copy between stores of its own, and what `check` makes of it. */
async function lifeOf<T>(
  { isBuffered, batchRecords }: Subject,
  strike: Strike | undefined,
  check: (life: Life) => Promise<T>,
): Promise<T> {
  const work = mkdtempSync(join(base, 'life-'));
  try {
    const [stores, log] = [join(work, 'stores'), join(work, 'calls')];
    const [from, to] = [join(stores, 'from'), join(stores, 'to')];
    cpSync(await template(), stores, { recursive: true });
    const words = ['stream', 'cp', COPIED_STREAM, '--data-dir', from, '--to-data-dir', to];
    words.push('--cursor', CURSOR);
    const how = { shim, dir: stores, log, isBuffered, ...(strike && { strike }) };
    const batch = ['--batch-records', String(batchRecords)];
    const ended = await helicorder([...words, ...batch], { env: shimEnvironment(how) }).ended;
    return await check({
      from,
      to,
      source: from,
      dirs: [from, to],
      words,
      ended,
      calls: callsIn(log),
    });
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** The calls that are made when all goes well. */
function callsOf(subject: Subject): Promise<readonly Call[]> {
  return lifeOf(subject, undefined, async ({ from, to, ended, calls }) => {
    expect(ended.code, ended.stderr).toBe(0);
    await expectSame(from, to, 'unharmed');
    return calls;
  });
}

/** Nothing is damaged; the next copy ends well, and then both sides hold the same. */
async function checkStores({ from, to, words }: Life, where: string): Promise<void> {
  for (const dir of [from, to]) expect(await verify(dir), where).toMatchObject({ damage: [] });
  const { code, stderr } = await helicorderRun(words);
  expect(code, `${where}: the next copy: ${stderr}`).toBe(0);
  await expectSame(from, to, where);
}

describe.each(SUBJECTS)('$name', (subject) => {
  testOnShim(
    'whatever call fails, and however: the end is right, and the next copy brings all, once',
    async () => {
      const calls = await callsOf(subject);
      await strikeEach(subject.name, { calls, perKind: STRIKES_PER_KIND }, (strike, where) =>
        lifeOf(subject, strike, async (life) => {
          checkEnd(life, strike, where);
          checkNoRetry(life, where);
          await checkStores(life, where);
        }),
      );
    },
    STRIKES_TIMEOUT_MS,
  );
});
