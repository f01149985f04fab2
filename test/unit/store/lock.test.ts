/** Who owns a store where one records and others only keep it. */
import { expect, test } from 'vitest';
import { nodeFileSystem } from '../../../engine/files/node-file-system.ts';
import { claimStore, isClaimed, takeLock } from '../../../engine/store/write/lock.ts';
import { temporaryDirectory } from '../../support/directory.ts';

const recorder = { fs: nodeFileSystem, pause: () => undefined, isKeeper: false };
const keeper = { ...recorder, isKeeper: true };

test('a claimed store is taken by who records, and by nobody who only keeps it', () => {
  const dir = temporaryDirectory();
  takeLock(dir, keeper).release();
  expect(isClaimed(dir, nodeFileSystem)).toBe(false);
  const claim = claimStore(dir, nodeFileSystem)!;
  expect(isClaimed(dir, nodeFileSystem)).toBe(true);
  expect(() => takeLock(dir, keeper)).toThrow(/somebody else owns the store in .*, or is about to/);
  const lock = takeLock(dir, recorder);
  claim.release();
  expect(isClaimed(dir, nodeFileSystem)).toBe(false);
  expect(() => takeLock(dir, keeper)).toThrow(/somebody else owns the store in .*, or is about to/);
  lock.release();
  takeLock(dir, keeper).release();
});

test('a claim is that of one recorder, and of a store that is there', () => {
  const dir = temporaryDirectory();
  const claim = claimStore(dir, nodeFileSystem)!;
  expect(claimStore(dir, nodeFileSystem)).toBeUndefined();
  claim.release();
  expect(claimStore(`${dir}/none`, nodeFileSystem)).toBeUndefined();
  expect(nodeFileSystem.exists(`${dir}/none`)).toBe(false);
});
