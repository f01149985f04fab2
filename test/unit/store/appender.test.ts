/** What a program may do with an appender, also what it better would not. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { MIB } from '../../../engine/base/constants.ts';
import { Appender } from '../../../engine/store/appender.ts';
import { verify } from '../../../engine/tools/verify.ts';
import { temporaryDirectory } from '../../support/directory.ts';
import { bytes, readEvents } from '../../support/stores.ts';

const STREAM = 'test/events';

function openAppender(dir: string, writer = 'w'): Appender {
  const appender = Appender.open(dir, { stream: STREAM, writer });
  onTestFinished(() => appender.close());
  return appender;
}

test('one that is closed again lets go of no other store', async () => {
  const [dir, otherDir] = [temporaryDirectory(), temporaryDirectory()];
  const closed = openAppender(dir);
  await closed.append([bytes('one')]);
  closed.close();
  const other = openAppender(otherDir);
  await other.append([bytes('two')]);
  closed.close();
  expect(() => openAppender(otherDir, 'second')).toThrow(
    expect.objectContaining({ code: 'STORE_IN_USE' }),
  );
  await other.append([bytes('three')]);
  other.close();
  expect(await readEvents(otherDir)).toEqual(['two', 'three']);
  expect(await verify(otherDir)).toMatchObject({ ok: true });
});

test('beside another owner of the same process it does not speak of another process', () => {
  const dir = temporaryDirectory();
  openAppender(dir);
  expect(() => openAppender(dir)).toThrow(/^somebody else owns the store in .* an appender$/);
});

test('one that is closed says so, and keeps what it knew', async () => {
  const dir = temporaryDirectory();
  const appender = openAppender(dir);
  await appender.append([bytes('one')]);
  appender.close();
  const late = appender.append([bytes('two')]);
  await expect(late).rejects.toMatchObject({
    code: 'USAGE',
    message: 'the appender of writer w of test/events is closed: open another',
  });
  expect(appender.lastSeq).toBe(1);
  expect(await readEvents(dir)).toEqual(['one']);
});

test('a loop of appends leaves turns to timers', async () => {
  const appender = openAppender(temporaryDirectory());
  let isStopped = false;
  setTimeout(() => (isStopped = true), 20);
  for (let i = 0; !isStopped && i < 100_000; i++) await appender.append([bytes(`event ${i}`)]);
  expect(isStopped).toBe(true);
});

test.each([
  ['the empty name', '', '"" is not the name of a stream, scope/name'],
  ['a name without a scope', 'plant', 'scope/name'],
  ['a name of three parts', 'a/b/c', 'scope/name'],
  ['a letter that is not ASCII', 'a/é', 'scope/name'],
  ['a line feed', 'a/b\n', 'scope/name'],
  ['20 MB', `a/${'b'.repeat(20_000_000)}`, 'has 20000002 characters, at most 200 are allowed'],
  ['no name', undefined, '"undefined" is not the name of a stream'],
])('%s is refused as a stream, and nothing is made', (_, stream, message) => {
  const dir = join(temporaryDirectory(), 'store');
  const options = { stream: stream!, writer: 'w' };
  expect(() => Appender.open(dir, options)).toThrow(
    expect.objectContaining({ code: 'USAGE', message: expect.stringContaining(message) as string }),
  );
  expect(existsSync(dir)).toBe(false);
});

test.each([
  ['the empty id', '', 'writer is empty'],
  ['one that is too long', 'w'.repeat(201), 'has 201 characters'],
  ['no id', undefined, 'writer is no text'],
  ['an object', {}, 'writer is no text'],
])('%s is refused as a writer', (_, writer, message) => {
  const options = { stream: STREAM, writer: writer as string };
  expect(() => Appender.open(temporaryDirectory(), options)).toThrow(
    expect.objectContaining({ code: 'USAGE', message: expect.stringContaining(message) as string }),
  );
});

test.each([
  ['more events than one entry has', Array(65_537).fill(bytes('a')), '65537 events, 65537 bytes'],
  ['more bytes than a group', Array(65).fill(new Uint8Array(MIB)), '65 events, 68157440 bytes'],
  ['one that is too large', [new Uint8Array(8 * MIB + 1)], 'at most 65536 and 8388608'],
  ['text', ['an event'], 'an append takes an array of Uint8Arrays'],
  ['a single event', bytes('an event'), 'an append takes an array of Uint8Arrays'],
])('%s is refused with what is allowed, and does no harm', async (_, events, message) => {
  const dir = temporaryDirectory();
  const appender = openAppender(dir);
  await expect(appender.append(events as Uint8Array[])).rejects.toMatchObject({
    code: 'USAGE',
    message: expect.stringContaining(message) as string,
  });
  const largest = Array<Uint8Array>(65_536).fill(bytes('a'));
  expect(await appender.append(largest)).toEqual({ firstSeq: 1, firstOffset: 0 });
  const { firstSeq } = await appender.append([new Uint8Array(appender.eventLimit)]);
  expect(firstSeq).toBe(65_537);
});
