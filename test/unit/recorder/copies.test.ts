import { expect, it } from 'vitest';
import { HelicorderError } from '../../../engine/base/errors.ts';
import { Copies } from '../../../engine/recorder/copies.ts';
import { CopyLinks } from '../../../engine/recorder/copy.ts';
import { temporaryDirectory } from '../../support/directory.ts';
import { beginEvents, openWriter } from '../../support/stores.ts';

it('where the store cannot be followed, copies end, and then their links are closed', async () => {
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
    throw new HelicorderError('STORE_IO', 'the disk has gone');
  };
  // one that cannot be is tried again after a while
  const rule = { pattern: 'test/*', toDataDir, follow: true, lingerMs: 0, where: 'X >' };
  const copies = [{ ...rule, bytesPerSecond: undefined }];
  const onProblem = (stream: string): void => void told.push(stream);
  const run = new Copies({ dataDir, copies, onProblem }, links).run();
  await expect(run).rejects.toMatchObject({ code: 'STORE_IO' });
  expect(told).toEqual(['test/events', 'closed']);
});
