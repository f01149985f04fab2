import { chmodSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { BLOCK_BYTES } from '../../engine/base/constants.ts';
import { nodeFileSystem as fs } from '../../engine/files/node-file-system.ts';
import { temporaryDirectory } from '../support/directory.ts';
import { FileAgent } from '../support/file-agent.ts';
import { describeFileSystem } from './file-system.contract.ts';

describeFileSystem("the machine's", () => ({ fs, dir: temporaryDirectory() }));

it('a file that is closed is not taken for another one that has its number', () => {
  const dir = temporaryDirectory();
  const closed = fs.open(`${dir}/closed`, 'create');
  closed.close();
  const other = fs.open(`${dir}/other`, 'create');
  expect(() => closed.write(Uint8Array.of(1), 0)).toThrow(/closed is closed/);
  expect(() => closed.close()).toThrow(/closed is closed/);
  expect(other.size()).toBe(0);
  other.close();
});

describe('between processes', () => {
  it('an exclusive lock excludes another process', async () => {
    const path = `${temporaryDirectory()}/lock`;
    const agent = new FileAgent();
    const held = fs.lock(path, true);
    expect(await agent.lock(path, true)).toBe(false);
    expect(await agent.lock(path, false)).toBe(false);
    held?.release();
    expect(await agent.lock(path, true)).toBe(true);
    expect(fs.lock(path, true)).toBeUndefined();
    expect(fs.lock(path, false)).toBeUndefined();
  });

  it('shared locks of two processes coexist', async () => {
    const path = `${temporaryDirectory()}/lock`;
    const agent = new FileAgent();
    const held = fs.lock(path, false);
    expect(await agent.lock(path, false)).toBe(true);
    expect(fs.lock(path, true)).toBeUndefined();
    held?.release();
  });

  it('the lock of a killed process is free', async () => {
    const path = `${temporaryDirectory()}/lock`;
    const agent = new FileAgent();
    expect(await agent.lock(path, true)).toBe(true);
    await agent.kill();
    const next = fs.lock(path, true);
    expect(next).toBeDefined();
    next?.release();
  });

  it('a publication wakes another process', async () => {
    const path = `${temporaryDirectory()}/mark`;
    fs.writeFileDurably(path, new Uint8Array(BLOCK_BYTES));
    const owner = fs.openMark(path, 1, true);
    const agent = new FileAgent();
    const { word } = await agent.openMark(path);
    const seen = agent.waitMark(word, 1000);
    owner.publish(8192, 1);
    expect((await seen).durableLsn).toBe(8192);
    owner.close();
  });
});

describe('a lock file that only its owner may write', () => {
  it('can be locked for reading', () => {
    const path = `${temporaryDirectory()}/lock`;
    fs.lock(path, true)?.release();
    chmodSync(path, 0o444);
    const reader = fs.lock(path, false);
    expect(reader).toBeDefined();
    reader?.release();
  });
});
