/** Where the input of a writer was: it never parts from the records that were made of it. */
import { cpSync, rmSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { removeStream } from '../../../engine/store/write/changes.ts';
import { ENTRY_FLAG, KIND, offsetOf, segmentOf } from '../../../engine/store/entries/format.ts';
import { Appender } from '../../../engine/store/appender.ts';
import { Store } from '../../../engine/store/store.ts';
import { verify } from '../../../engine/tools/verify.ts';
import { count } from '../../support/counts.ts';
import { temporaryDirectory } from '../../support/directory.ts';
import { SeededRandom } from '../../support/random.ts';
import { beginEvents, bytes, openWriter } from '../../support/stores.ts';

const STREAM = 'test/events';
const WRITER = 'w';
const LINE_BYTES = 700;

/** The input: lines of one length, so that a position tells how many of them were read. */
function line(index: number): Uint8Array {
  return new SeededRandom(index).bytes(LINE_BYTES);
}

function positionBehind(lines: number): { file: string; offset: number; hash: string } {
  return { file: 'inode 7', offset: lines * LINE_BYTES, hash: `of ${lines} lines` };
}

test('wherever a crash has cut the log, positions and records agree', async () => {
  const dir = temporaryDirectory();
  const writer = openWriter(dir);
  const opened = beginEvents(writer, STREAM, WRITER);
  const begin = writer.durableEnd;
  for (let lines = 0; lines < 24; lines += 3) {
    const events = [line(lines), line(lines + 1), line(lines + 2)];
    writer.appendEvents(opened, events, positionBehind(lines + 3));
  }
  const end = writer.durableEnd;
  writer.abandon();
  const found = new Set<number>();
  for (let cut = offsetOf(begin); cut <= offsetOf(end); cut += 512) {
    const copy = join(temporaryDirectory(), 'store');
    cpSync(dir, copy, { recursive: true });
    rmSync(join(copy, 'mark'));
    const name = `${String(segmentOf(begin)).padStart(20, '0')}.seg`;
    const segment = join(copy, 'log', name);
    truncateSync(segment, cut);
    truncateSync(segment, 2 ** 20);
    count('tails cut or garbled');
    const store = Store.open(copy);
    const { nextOffset } = store.stream(STREAM);
    const position = store.positionOf(STREAM, WRITER);
    store.close();
    const expected = nextOffset === 0 ? undefined : positionBehind(nextOffset);
    expect(position, `cut at ${cut}`).toEqual(expected && { ...expected, seq: nextOffset });
    // the next owner goes on exactly there
    const appender = Appender.open(copy, { stream: STREAM, writer: WRITER });
    expect([appender.position, appender.lastSeq]).toEqual([position, nextOffset]);
    await appender.append([line(nextOffset)], undefined, positionBehind(nextOffset + 1));
    expect(appender.position).toEqual({ ...positionBehind(nextOffset + 1), seq: nextOffset + 1 });
    appender.close();
    found.add(nextOffset);
  }
  expect([...found].sort((a, b) => a - b)).toEqual([0, 3, 6, 9, 12, 15, 18, 21, 24]);
});

test('a position lasts over segments, restarts and other writers, and goes with its stream', async () => {
  const dir = temporaryDirectory();
  const writer = openWriter(dir);
  const opened = beginEvents(writer, STREAM, WRITER);
  const other = beginEvents(writer, STREAM, 'other');
  writer.appendEvents(opened, [line(0)], positionBehind(1));
  writer.appendEvents(opened, [line(1)]);
  const first = segmentOf(writer.durableEnd);
  for (let i = 0; segmentOf(writer.durableEnd) < first + 2; i++) {
    writer.appendEvents(other, [new SeededRandom(i).bytes(50_000)]);
  }
  writer.close();
  expect((await verify(dir)).ok).toBe(true);
  const store = Store.open(dir);
  expect(store.positionOf(STREAM, WRITER)).toEqual({ ...positionBehind(1), seq: 1 });
  expect(store.positionOf(STREAM, 'other')).toBeUndefined();
  expect(() => store.positionOf('test/evenst', WRITER)).toThrow('did you mean test/events?');
  const parts = store.reader.state.snapshot().filter(({ kind }) => kind === KIND.position);
  expect(parts.map(({ flags }) => flags)).toEqual([ENTRY_FLAG.ignorable]);
  store.close();
  const next = openWriter(dir);
  removeStream(next, STREAM);
  beginEvents(next, STREAM, WRITER);
  next.close();
  const again = Store.open(dir);
  expect(again.positionOf(STREAM, WRITER)).toBeUndefined();
  again.close();
});

test.each([
  ['a file without a name', { file: '' }],
  ['a file of too long a name', { file: 'x'.repeat(1001) }],
  ['a hash that is too long', { hash: 'x'.repeat(201) }],
  ['less than nothing', { offset: -1 }],
  ['a part of a byte', { offset: 0.5 }],
])('%s is refused, and its events with it', async (_, wrong) => {
  const dir = temporaryDirectory();
  const appender = Appender.open(dir, { stream: STREAM, writer: WRITER });
  const position = { ...positionBehind(1), ...wrong };
  const refused = appender.append([bytes('a')], undefined, position);
  await expect(refused).rejects.toMatchObject({ code: 'USAGE' });
  expect([appender.lastSeq, appender.position]).toEqual([0, undefined]);
  await appender.append([bytes('a')], undefined, positionBehind(1));
  expect(appender.lastSeq).toBe(1);
  appender.close();
});
