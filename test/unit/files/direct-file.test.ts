import { Worker } from 'node:worker_threads';
import { once } from 'node:events';
import { stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { describe, expect, it } from 'vitest';
import { BLOCK_BYTES, MIB } from '../../../engine/base/constants.ts';
import { nodeFileSystem as fs } from '../../../engine/files/node-file-system.ts';
import { describeFileSystemType } from '../../../engine/files/file-system-types.ts';
import { native } from '../../../native/index.ts';
import { temporaryDirectory } from '../../support/directory.ts';
import { skipLoudly } from '../../support/skip.ts';

function newMark(): string {
  const path = `${temporaryDirectory()}/mark`;
  fs.writeFileDurably(path, new Uint8Array(BLOCK_BYTES));
  return path;
}

/** A thread that runs `script` with a `mark` open for reading. */
function workerOnMark(script: string): Worker {
  const load = new URL('../../../native/load.cjs', import.meta.url).pathname;
  return new Worker(
    `const { parentPort } = require('node:worker_threads');
     const native = require(${JSON.stringify(load)});
     const fd = require('node:fs').openSync(${JSON.stringify(newMark())}, 'r');
     const mark = new native.Mark(fd, false);
     ${script}`,
    { eval: true },
  );
}

describe('direct files', () => {
  it('memory for them has the size that was asked for, and is zeroed', () => {
    for (const size of [1, BLOCK_BYTES, MIB + 1]) {
      const memory = fs.alignedBuffer(size);
      expect(memory).toHaveLength(size);
      expect(memory.every((byte) => byte === 0)).toBe(true);
    }
  });

  const itDirectly = skipLoudly(
    !fs.probeDirect(tmpdir()),
    'the temporary directory has no O_DIRECT',
  );

  itDirectly('a direct write that is not aligned is refused before the disk sees it', () => {
    const path = `${temporaryDirectory()}/file`;
    new native.DurableFile(path, false).close();
    const file = new native.DurableFile(path, true);
    const block = fs.alignedBuffer(2 * BLOCK_BYTES);
    const einval = expect.objectContaining({ code: 'EINVAL', syscall: 'write' });
    const write = (bytes: Uint8Array, at: number) => () => file.write(bytes, at);
    expect(write(block.subarray(1, BLOCK_BYTES + 1), 0)).toThrow(einval);
    expect(write(block.subarray(0, 100), 0)).toThrow(einval);
    expect(write(block, 512)).toThrow(einval);
    expect(fs.readFile(path).length).toBe(0);
  });

  it('more than one call can take arrives whole', () => {
    const path = `${temporaryDirectory()}/file`;
    const bytes = fs.alignedBuffer(9 * MIB);
    for (let i = 0; i < bytes.length; i += BLOCK_BYTES) bytes[i] = (i / BLOCK_BYTES) % 251;
    const file = fs.openDurable(path, false);
    file.write(bytes, 0);
    file.close();
    expect(Buffer.compare(fs.readFile(path), bytes)).toBe(0);
  });

  it('a failed call says which, like Node does', () => {
    expect(() => new native.DurableFile('/nowhere/file', false)).toThrow(
      expect.objectContaining({
        code: 'ENOENT',
        errno: -2,
        syscall: 'open',
        path: '/nowhere/file',
        message: "ENOENT: no such file or directory, open '/nowhere/file'",
      }),
    );
  });

  it('misuse is a TypeError or RangeError that names the argument', () => {
    const wrong = native as unknown as Record<string, (...args: unknown[]) => unknown>;
    expect(() => wrong['crc32c']!('text')).toThrow(/bytes is not a Uint8Array/);
    expect(() => wrong['crc32c']!(new Uint8Array(1), -1)).toThrow(RangeError);
    expect(() => new native.DurableFile('a\0b', true)).toThrow(/path .* NUL/);
    const file = new native.DurableFile(`${temporaryDirectory()}/file`, false);
    expect(() => file.write(new Uint8Array(1), -1)).toThrow(/position/);
    const refuses = (use: () => void) => () => expect(use).toThrow(/under way/);
    file.write(
      new Uint8Array(1),
      0,
      refuses(() => file.close()),
    );
    file.write(
      new Uint8Array(1),
      0,
      refuses(() => file.write(new Uint8Array(1), 0)),
    );
    file.close();
    expect(() => file.write(new Uint8Array(1), 0)).toThrow(/closed/);
    expect(() => wrong['lockFile']!(1, 'yes')).toThrow(/exclusive is not a boolean/);
    expect(() => wrong['alignedMemory']!(0)).toThrow(/bytes is not a whole number in its range/);
    expect(() => wrong['readClocks']!(new BigInt64Array(3))).toThrow(
      /out has fewer than 4 elements/,
    );
  });

  it('a path with a NUL, a position before the file and a closed file are refused', () => {
    expect(() => fs.openDurable('a\0b', false)).toThrow(/path .* NUL/);
    const file = fs.openDurable(`${temporaryDirectory()}/file`, false);
    expect(() => file.write(new Uint8Array(1), -1)).toThrow(/position/);
    file.close();
    file.close();
    expect(() => file.write(new Uint8Array(1), 0)).toThrow(/closed/);
  });

  it('a mark opened for reading cannot publish, a closed one does nothing', () => {
    const path = newMark();
    const reader = fs.openMark(path, 1, false);
    expect(() => reader.publish(1, 1)).toThrow(/opened for reading/);
    reader.close();
    expect(() => reader.read()).toThrow(/closed/);
  });

  it('terminating a worker that waits on a mark is safe', async () => {
    const worker = workerOnMark("mark.wait(0, 1000); parentPort.postMessage('waiting');");
    await once(worker, 'message');
    expect(await worker.terminate()).toBe(1);
  });

  it('a wait keeps its thread alive, and nothing does after it', async () => {
    const worker = workerOnMark("mark.wait(0, 20).then(() => parentPort.postMessage('over'));");
    const [[message], [code]] = await Promise.all([once(worker, 'message'), once(worker, 'exit')]);
    expect([message, code]).toEqual(['over', 0]);
  });

  it('many waits at a time hold up no other work of the process', async () => {
    const path = newMark();
    const marks = Array.from({ length: 10 }, () => fs.openMark(path, 1, false));
    const waits = marks.map((mark) => mark.wait(0, 1000).then(() => 'a wait'));
    // libuv's threads, which have other work to do: files, names, cryptography
    expect(await Promise.race([stat(path).then(() => 'a file'), ...waits])).toBe('a file');
    for (const mark of marks) mark.close();
    expect(await Promise.all(waits)).toHaveLength(10);
  });

  it('file systems are known by name, and those to avoid say why', () => {
    expect(describeFileSystemType(0xef53)).toEqual({ type: 'ext4' });
    expect(describeFileSystemType(0x9123683e | 0).warning).toMatch(/^btrfs writes a new copy/);
    expect(describeFileSystemType(0x6969).warning).toMatch(/network/);
    expect(describeFileSystemType(0x12345)).toEqual({ type: '0x12345' });
  });
});

describe('the end of a thread', () => {
  it('in the middle of calls that throw ends the thread, never the process', async () => {
    const thrower = `for (;;) try { native.fileSystemInfo('/nowhere'); } catch {}`;
    for (let i = 0; i < 20; i++) {
      const worker = workerOnMark(`parentPort.postMessage('up'); ${thrower}`);
      await once(worker, 'message');
      expect(await worker.terminate()).toBe(1);
    }
  });
});
