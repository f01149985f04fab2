import { describe, expect, it } from 'vitest';
import { HelicorderError } from '../../../engine/base/errors.ts';
import { Copies } from '../../../engine/connect/copies.ts';
import { CopyLinks } from '../../../engine/connect/copy.ts';
import { temporaryDirectory } from '../../support/directory.ts';
import { LocalOwner, recordsOf } from '../../support/local-owner.ts';
import { beginEvents, bytes, openWriter, removeRecorded } from '../../support/stores.ts';

it('where following the store meets a bug, copies end, and then their links are closed', async () => {
  const [dataDir, toDataDir] = [temporaryDirectory(), temporaryDirectory()];
  const writer = openWriter(dataDir);
  beginEvents(writer);
  writer.close();
  const told: string[] = [];
  const links = new CopyLinks(dataDir, toDataDir);
  const close = links.close.bind(links);
  links.close = () => {
    told.push('closed');
    return close();
  };
  links.store.store.reader.refresh = () => {
    throw new TypeError('a bug');
  };
  // one that cannot be is tried again after a while
  const rule = { pattern: 'test/*', toDataDir, follow: true, lingerMs: 0, where: 'X >' };
  const copies = [{ ...rule, bytesPerSecond: undefined }];
  const onProblem = (stream = 'all'): void => void told.push(stream);
  const run = new Copies({ dataDir, copies, onProblem }, links).run();
  await expect(run).rejects.toThrow('a bug');
  expect(told).toEqual(['test/events', 'closed']);
});

const STREAM = 'test/events';

/** Two stores with owners, and the copies between them. */
async function scene() {
  const [from, to] = [temporaryDirectory(), temporaryDirectory()].map((dir) => new LocalOwner(dir));
  const closes = await Promise.all([from!.listen(), to!.listen()]);
  const write = (...events: string[]): void =>
    void from!.writer.appendEvents(beginEvents(from!.writer), events.map(bytes));
  const [dataDir, toDataDir] = [from!.dir, to!.dir];
  const links = new CopyLinks(dataDir, toDataDir);
  const rule = { pattern: 'test/*', toDataDir, follow: true, lingerMs: 0 };
  const copies = [{ ...rule, bytesPerSecond: undefined }];
  const problems = new Map<string, string>();
  const told: [string, string | undefined][] = [];
  const onProblem = (stream = 'all', problem?: string): void => {
    if (problem === undefined) problems.delete(stream);
    else problems.set(stream, problem);
    told.push([stream, problem]);
  };
  const all = new Copies({ dataDir, copies, onProblem }, links);
  const close = async (): Promise<void> => {
    all.stop();
    await running;
    for (const end of closes) await end();
    [from!, to!].forEach((owner) => owner.close());
  };
  let running: Promise<void> | undefined;
  const run = (): void => void (running = all.run());
  return {
    from: from!,
    to: to!,
    write,
    reader: links.store.store.reader,
    problems,
    told,
    run,
    close,
  };
}

describe('what goes wrong is told, and over when it goes well', () => {
  const PATIENCE = { timeout: 20_000 };

  it('a disk that fails once is asked again, and the copies go on', async () => {
    const { to, write, reader, problems, run, close } = await scene();
    write('1', '2');
    const refresh = reader.refresh.bind(reader);
    let isBroken = true;
    reader.refresh = () => {
      if (isBroken) throw new HelicorderError('STORE_IO', 'the disk has gone');
      return refresh();
    };
    run();
    await expect.poll(() => problems.get('all'), PATIENCE).toBe('the disk has gone');
    isBroken = false;
    await expect.poll(() => recordsOf(to.dir, STREAM), PATIENCE).toHaveLength(2);
    await expect.poll(() => problems.size, PATIENCE).toBe(0);
    await close();
  }, 60_000);

  it('a stream that is removed has no problem, and one made later is copied', async () => {
    const { from, to, write, problems, told, run, close } = await scene();
    write('1', '2');
    run();
    const fine = [STREAM, undefined];
    await expect.poll(() => told, PATIENCE).toEqual([fine, fine]);
    removeRecorded(from.writer, STREAM);
    await expect.poll(() => told, PATIENCE).toEqual([fine, fine, fine]);
    write('3');
    await expect.poll(() => recordsOf(to.dir, STREAM), PATIENCE).toHaveLength(3);
    expect(problems.size).toBe(0);
    await close();
  }, 60_000);
});
