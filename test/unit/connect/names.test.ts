/** A name that cannot be is told before anything is opened, made or asked for it. */
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Consumer } from '../../../engine/connect/consumer.ts';
import { copyStream } from '../../../engine/connect/copy.ts';
import { writeEvents } from '../../../engine/connect/write.ts';
import { Appender } from '../../../engine/store/appender.ts';
import { changeStore, type Change } from '../../../engine/tools/change.ts';
import { temporaryDirectory } from '../../support/directory.ts';

const dataDir = join(tmpdir(), `helicorder-never-made-${process.pid}`);
const LONG = 'x'.repeat(100_000);
const NO_STREAM = 'is not the name of a stream, scope/name';
const NO_CURSOR = 'is not the name of a cursor: 1 to 100';

async function isRefused(attempt: Promise<unknown>, message: string): Promise<void> {
  await expect(attempt).rejects.toMatchObject({ code: 'USAGE' });
  await expect(attempt).rejects.toThrow(message);
  const { message: text } = await attempt.then(
    () => new Error(),
    (error: Error) => error,
  );
  expect(text.length).toBeLessThan(250);
  expect(existsSync(dataDir)).toBe(false);
}

describe('a consumer', () => {
  const options = { dataDir, stream: 'a/b', cursor: 'c', output: { stream: 'a/c' } };
  it.each([
    ['input', { stream: 'b' }, `"b" ${NO_STREAM}`],
    ['output', { output: { stream: 'a/ü' } }, `"a/ü" ${NO_STREAM}`],
    ['long output', { output: { stream: `a/${LONG}` } }, 'has 100002 characters, at most 200'],
    ['no output', { output: {} }, `"undefined" ${NO_STREAM}`],
    ['cursor', { cursor: 'ü x' }, `"ü x" ${NO_CURSOR}`],
    ['no cursor', { cursor: undefined }, `"undefined" ${NO_CURSOR}`],
    ['long cursor', { cursor: LONG }, `…" ${NO_CURSOR}`],
    ['writer', { output: { stream: 'a/c', writer: '' } }, 'output.writer is empty: it names who'],
    ['no writer', { output: { stream: 'a/c', writer: 5 } }, 'output.writer is no text'],
  ])('%s', async (_, wrong, message) => {
    await isRefused(Consumer.open({ ...options, ...(wrong as object) }), message);
  });
});

describe('a copy', () => {
  const options = { dataDir, from: 'a/b', toDataDir: dataDir, to: 'a/c' };
  it.each([
    ['source', { from: 'b' }, `"b" ${NO_STREAM}`],
    ['target', { to: 'a/b/c' }, `"a/b/c" ${NO_STREAM}`],
    ['cursor', { cursor: LONG }, `…" ${NO_CURSOR}`],
  ])('%s', async (_, wrong, message) => {
    await isRefused(copyStream({ ...options, ...wrong }), message);
  });
});

describe('events to write', () => {
  const nothing = (): void => undefined;
  const told = { onOpen: nothing, onDurable: nothing, onWait: nothing };
  const input = (async function* () {})();
  const options = { dataDir, stream: 'a/b', writer: 'w', framing: 'lines' as const, input };
  it.each([
    ['stream', { stream: 'b' }, `"b" ${NO_STREAM}`],
    ['writer', { writer: '' }, 'writer is empty'],
  ])('%s', async (_, wrong, message) => {
    await isRefused(writeEvents({ ...options, ...told, ...wrong }), message);
  });
});

describe('a change of a store', () => {
  const place = { name: 'c', stream: 'a/b', offset: 0 };
  it.each<[string, Change, string]>([
    ['stream to remove', { type: 'remove', stream: 'b' }, `"b" ${NO_STREAM}`],
    ['stream to trim', { type: 'trim', stream: '', lowWater: 0 }, `"" ${NO_STREAM}`],
    ['cursor', { type: 'set-cursor', ...place, name: LONG }, `…" ${NO_CURSOR}`],
    ['its stream', { type: 'set-cursor', ...place, stream: 'a/ü' }, `"a/ü" ${NO_STREAM}`],
    ['cursor to remove', { type: 'remove-cursor', name: 'ü x' }, `"ü x" ${NO_CURSOR}`],
  ])('%s', async (_, change, message) => {
    await isRefused(changeStore({ dataDir }, change), message);
  });

  it.each([NaN, -1, 0.5, 2])('a trim to %d of a stream with one event', async (lowWater) => {
    const dir = temporaryDirectory();
    const appender = Appender.open(dir, { stream: 'a/b', writer: 'w' });
    await appender.append([new Uint8Array(1)]);
    appender.close();
    const trim = changeStore({ dataDir: dir }, { type: 'trim', stream: 'a/b', lowWater });
    await expect(trim).rejects.toMatchObject({ code: 'USAGE' });
  });
});
