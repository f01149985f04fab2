/** What a link to a store's owner tells of the owner that it has begun itself. */
import { createServer } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { HelicorderError } from '../../../engine/base/errors.ts';
import { encodeFrame } from '../../../engine/control/frame.ts';
import { storePaths } from '../../../engine/store/log/files.ts';
import { OwnerLink, usingLinks, type OwnStore } from '../../../engine/targets/owner-link.ts';
import { temporaryDirectory } from '../../support/directory.ts';
import { LocalOwner } from '../../support/local-owner.ts';

test('what has ended its own owner, once everything was acknowledged, is told by close', async () => {
  const dataDir = temporaryDirectory();
  const failure = new HelicorderError('STORE_IO', 'cannot write the end of a run: EIO');
  let owner!: LocalOwner;
  let close!: () => Promise<void>;
  let fail!: (error: Error) => void;
  const ended = new Promise<never>((_, reject) => (fail = reject));
  const own = async (): Promise<OwnStore> => {
    owner = new LocalOwner(dataDir);
    close = await owner.listen();
    return { ended, problem: undefined, close: () => Promise.resolve() };
  };
  const link = new OwnerLink({ dataDir, own });
  await link.client();
  fail(failure);
  await turn();
  await expect(link.close()).rejects.toBe(failure);
  await link.close();
  await close();
  owner.close();
});

test('to close it ends what is connecting, and the owner that is begun by it', async () => {
  const dataDir = temporaryDirectory();
  let [isOwned, begin] = [false, (): void => undefined];
  const asked = new Promise<void>((told) => {
    begin = told;
  });
  const own = async (): Promise<OwnStore> => {
    isOwned = true;
    begin();
    await turn();
    const close = (): Promise<void> => Promise.resolve(void (isOwned = false));
    return { ended: new Promise(() => undefined), problem: undefined, close };
  };
  const link = new OwnerLink({ dataDir, own });
  const client = link.client();
  client.catch(() => undefined);
  await asked;
  await link.close();
  expect(isOwned).toBe(false);
  await expect(client).rejects.toMatchObject({ code: 'DISCONNECTED' });
  await expect(link.client()).rejects.toMatchObject({ code: 'DISCONNECTED' });
  expect(isOwned).toBe(false);
});

test('what work fails with is told, not what closing fails with then', async () => {
  const links = { close: () => Promise.reject(new Error('closing')) };
  const work = (): Promise<never> => Promise.reject(new Error('work'));
  await expect(usingLinks(links, work)).rejects.toThrow('work');
  await expect(usingLinks(links, () => Promise.resolve(1))).rejects.toThrow('closing');
});

test('an owner that ends instead of its first word is followed by the next one', async () => {
  const owner = new LocalOwner(temporaryDirectory());
  let close: (() => Promise<void>) | undefined;
  const next = (): void => void owner.listen().then((end) => (close = end));
  const ending = createServer((socket) => {
    socket.write(encodeFrame({ type: 'closing' }));
    socket.on('close', () => ending.close(next)).resume();
  });
  await new Promise<void>((resolve) => {
    ending.listen(storePaths(owner.dir).control, resolve);
  });
  const own = (): Promise<never> => Promise.reject(new HelicorderError('STORE_IN_USE', 'owned'));
  const link = new OwnerLink({ dataDir: owner.dir, own });
  await expect(link.client()).resolves.toBeDefined();
  await link.close();
  await close!();
  owner.close();
});
