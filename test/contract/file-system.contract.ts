/**
 * What the engine relies on from a file system. Every implementation passes it: the machine's, and
 * the simulated one. `make` gives a fresh file system and an empty directory in it.
 */
import { describe, expect, it } from 'vitest';
import { BLOCK_BYTES, MIB } from '../../engine/base/constants.ts';
import { errnoCode } from '../../engine/base/errors.ts';
import type { FileSystem } from '../../engine/files/file-system.ts';

interface Place {
  fs: FileSystem;
  dir: string;
}

const text = (content: string): Uint8Array => new TextEncoder().encode(content);

function codeOf(action: () => unknown): string | undefined {
  try {
    action();
  } catch (error) {
    return errnoCode(error);
  }
  return undefined;
}

export function describeFileSystem(name: string, make: () => Place): void {
  describe(`file system: ${name}`, () => {
    describeNames(make);
    describeFiles(make);
    describeDurableFiles(make);
    describeLocks(make);
    describeMarks(make);
  });
}

function describeNames(make: () => Place): void {
  it('a directory that is missing lists as empty, and a file in its place is an error', () => {
    const { fs, dir } = make();
    expect(fs.list(`${dir}/none`)).toEqual([]);
    fs.writeFileDurably(`${dir}/file`, text('x'));
    expect(codeOf(() => fs.list(`${dir}/file`))).toBe('ENOTDIR');
  });

  it('names are listed sorted', () => {
    const { fs, dir } = make();
    for (const file of ['b', 'a', 'c']) fs.writeFileDurably(`${dir}/${file}`, text(file));
    expect(fs.list(dir)).toEqual(['a', 'b', 'c']);
  });

  it('a directory is made with those above it, and made again without complaint', () => {
    const { fs, dir } = make();
    fs.makeDirectory(`${dir}/one/two/three`);
    fs.makeDirectory(`${dir}/one/two/three`);
    expect(fs.isDirectory(`${dir}/one/two/three`)).toBe(true);
    expect(fs.isDirectory(`${dir}/one/four`)).toBe(false);
  });

  it('writing a file durably replaces all of it and leaves nothing beside it', () => {
    const { fs, dir } = make();
    fs.writeFileDurably(`${dir}/file`, text('a long first content'));
    fs.writeFileDurably(`${dir}/file`, text('second'));
    expect(fs.readText(`${dir}/file`)).toBe('second');
    expect(fs.fileSize(`${dir}/file`)).toBe(6);
    expect(fs.list(dir)).toEqual(['file']);
    expect(fs.isDirectory(`${dir}/file`)).toBe(false);
  });

  it('a rename replaces what has the name, and an open file stays the one it was', () => {
    const { fs, dir } = make();
    fs.writeFileDurably(`${dir}/old`, text('old'));
    fs.writeFileDurably(`${dir}/new`, text('new'));
    const before = fs.inode(`${dir}/old`);
    const open = fs.open(`${dir}/old`, 'read');
    fs.rename(`${dir}/new`, `${dir}/old`);
    fs.syncDirectory(dir);
    const seen = new Uint8Array(3);
    open.read(seen, 0);
    open.close();
    expect(seen).toEqual(text('old'));
    expect(fs.readText(`${dir}/old`)).toBe('new');
    expect(fs.inode(`${dir}/old`)).not.toBe(before);
    expect(fs.exists(`${dir}/new`)).toBe(false);
  });

  it('what is missing is ENOENT, in the words of the system call', () => {
    const { fs, dir } = make();
    const path = `${dir}/none`;
    expect(fs.exists(path)).toBe(false);
    expect(fs.fileSize(path)).toBeUndefined();
    expect(codeOf(() => fs.readFile(path))).toBe('ENOENT');
    expect(codeOf(() => fs.remove(path))).toBe('ENOENT');
    expect(codeOf(() => fs.open(path, 'read'))).toBe('ENOENT');
    expect(codeOf(() => fs.open(path, 'write'))).toBe('ENOENT');
    expect(codeOf(() => fs.openDurable(`${path}/file`, false))).toBe('ENOENT');
    expect(codeOf(() => fs.info(path))).toBe('ENOENT');
  });

  it('disk use counts everything under a directory', () => {
    const { fs, dir } = make();
    const empty = fs.diskUse(dir);
    fs.makeDirectory(`${dir}/deep/er`);
    fs.writeFileDurably(`${dir}/deep/er/file`, new Uint8Array(10 * BLOCK_BYTES).fill(1));
    expect(fs.diskUse(dir) - empty).toBeGreaterThanOrEqual(10 * BLOCK_BYTES);
  });

  it('tells the free space and the type of a file system', () => {
    const { fs, dir } = make();
    const { freeBytes, type } = fs.info(dir);
    expect(freeBytes).toBeGreaterThan(0);
    expect(type).toMatch(/^\w+$/);
  });
}

function describeFiles(make: () => Place): void {
  it('reads what was written, wherever it was written', () => {
    const { fs, dir } = make();
    const file = fs.open(`${dir}/file`, 'create');
    file.write(text('world'), 6);
    file.write(text('hello '), 0);
    file.sync();
    expect(file.size()).toBe(11);
    file.close();
    expect(fs.readText(`${dir}/file`)).toBe('hello world');
  });

  it('a read is short only at the end', () => {
    const { fs, dir } = make();
    fs.writeFileDurably(`${dir}/file`, text('0123456789'));
    const file = fs.open(`${dir}/file`, 'read');
    const into = new Uint8Array(8);
    expect(file.read(into, 0)).toBe(8);
    expect(file.read(into, 6)).toBe(4);
    expect(into.subarray(0, 4)).toEqual(text('6789'));
    expect(file.read(into, 10)).toBe(0);
    expect(file.read(into, 100)).toBe(0);
    file.close();
  });

  it('what was said to be read next is read as it is, in calls of any length, and behind it too', () => {
    const { fs, dir } = make();
    const content = Uint8Array.from({ length: 5 * MIB + 300 }, (_, i) => i ^ (i >> 8) ^ (i >> 16));
    fs.writeFileDurably(`${dir}/file`, content);
    const file = fs.open(`${dir}/file`, 'read');
    for (const end of [content.length, 4 * MIB + 1000, 10 * MIB, BLOCK_BYTES]) {
      file.readAhead(BLOCK_BYTES, end);
      let at = BLOCK_BYTES;
      for (let length = 100; at < content.length; length = 3 * length + 1) {
        const into = new Uint8Array(length);
        const count = file.read(into, at);
        expect(count).toBe(Math.min(length, content.length - at));
        expect(Buffer.compare(into.subarray(0, count), content.subarray(at, at + count))).toBe(0);
        at += count;
      }
    }
    file.close();
  });

  it('what is read out of turn is read as usual', () => {
    const { fs, dir } = make();
    const content = Uint8Array.from({ length: 3 * MIB }, (_, i) => i >> 8);
    fs.writeFileDurably(`${dir}/file`, content);
    const file = fs.open(`${dir}/file`, 'read');
    file.readAhead(0, content.length);
    for (const at of [0, 100, 2 * MIB, 200, 3 * MIB - 50]) {
      const into = new Uint8Array(100);
      const count = file.read(into, at);
      expect(into.subarray(0, count)).toEqual(content.subarray(at, at + 100));
    }
    file.close();
  });

  it('what was synced is there when the cache has been dropped', () => {
    const { fs, dir } = make();
    const file = fs.open(`${dir}/file`, 'create');
    file.write(text('content'), 0);
    file.sync();
    file.dropCache();
    file.close();
    expect(fs.readText(`${dir}/file`)).toBe('content');
  });

  it('write keeps what a file holds, create empties it', () => {
    const { fs, dir } = make();
    fs.writeFileDurably(`${dir}/file`, text('content'));
    const kept = fs.open(`${dir}/file`, 'write');
    kept.write(text('C'), 0);
    kept.close();
    expect(fs.readText(`${dir}/file`)).toBe('Content');
    fs.open(`${dir}/file`, 'create').close();
    expect(fs.readText(`${dir}/file`)).toBe('');
  });

  it('a file grown by truncate reads as zeros behind its content', () => {
    const { fs, dir } = make();
    const file = fs.open(`${dir}/file`, 'create');
    file.write(text('abc'), 0);
    file.truncate(2);
    file.truncate(4);
    file.close();
    expect([...fs.readFile(`${dir}/file`)]).toEqual([97, 98, 0, 0]);
  });
}

function describeDurableFiles(make: () => Place): void {
  it('aligned memory is zeroed and of the size asked for', () => {
    const { fs } = make();
    const memory = fs.alignedBuffer(3 * BLOCK_BYTES);
    expect(memory.length).toBe(3 * BLOCK_BYTES);
    expect(memory.every((byte) => byte === 0)).toBe(true);
  });

  it('a durable write is there when the file is opened again', () => {
    const { fs, dir } = make();
    for (const direct of fs.probeDirect(dir) ? [false, true] : [false]) {
      const path = `${dir}/durable-${direct}`;
      const file = fs.openDurable(path, direct);
      expect(file.direct).toBe(direct);
      const block = fs.alignedBuffer(2 * BLOCK_BYTES).fill(7);
      file.write(block, BLOCK_BYTES);
      const again = fs.open(path, 'read');
      const seen = new Uint8Array(3 * BLOCK_BYTES);
      expect(again.read(seen, 0)).toBe(3 * BLOCK_BYTES);
      again.close();
      file.close();
      expect(seen.indexOf(7)).toBe(BLOCK_BYTES);
      expect(seen.subarray(BLOCK_BYTES).every((byte) => byte === 7)).toBe(true);
    }
  });

  it('what is to be done meanwhile is done once, before the write returns', () => {
    const { fs, dir } = make();
    for (const direct of fs.probeDirect(dir) ? [false, true] : [false]) {
      const path = `${dir}/meanwhile-${direct}`;
      const file = fs.openDurable(path, direct);
      const block = fs.alignedBuffer(BLOCK_BYTES).fill(7);
      let calls = 0;
      file.write(block, 0, (isWriting) => {
        expect(typeof isWriting()).toBe('boolean');
        calls++;
      });
      expect(calls).toBe(1);
      expect(fs.readFile(path).indexOf(7)).toBe(0);
      const failing = (): never => {
        throw new Error('meanwhile');
      };
      expect(() => file.write(block, BLOCK_BYTES, failing)).toThrow('meanwhile');
      file.write(block, BLOCK_BYTES);
      expect(fs.readFile(path).length).toBe(2 * BLOCK_BYTES);
      file.close();
    }
  });

  it('opening a durable file again keeps what it holds', () => {
    const { fs, dir } = make();
    const block = fs.alignedBuffer(BLOCK_BYTES).fill(1);
    for (const position of [0, BLOCK_BYTES]) {
      const file = fs.openDurable(`${dir}/file`, false);
      file.write(block, position);
      file.close();
    }
    expect(fs.readFile(`${dir}/file`).every((byte) => byte === 1)).toBe(true);
  });

  it('the probe for direct writes leaves nothing behind', () => {
    const { fs, dir } = make();
    fs.probeDirect(dir);
    expect(fs.list(dir)).toEqual([]);
  });
}

function describeLocks(make: () => Place): void {
  it('an exclusive lock excludes every other opening of the file until it is released', () => {
    const { fs, dir } = make();
    const path = `${dir}/lock`;
    const held = fs.lock(path, true);
    expect(held).toBeDefined();
    expect(fs.lock(path, true)).toBeUndefined();
    expect(fs.lock(path, false)).toBeUndefined();
    held?.release();
    const next = fs.lock(path, true);
    expect(next).toBeDefined();
    next?.release();
  });

  it('a lock that is released again lets go of nothing that is held or open by then', () => {
    const { fs, dir } = make();
    const first = fs.lock(`${dir}/one`, true);
    first?.release();
    // a descriptor has the lowest number that is free: that of the first
    const held = fs.lock(`${dir}/two`, true);
    first?.release();
    expect(fs.lock(`${dir}/two`, true)).toBeUndefined();
    held?.release();
    const file = fs.open(`${dir}/two`, 'write');
    held?.release();
    expect(file.size()).toBe(0);
    file.close();
  });

  it('shared locks coexist, and keep an exclusive one away until the last is released', () => {
    const { fs, dir } = make();
    const path = `${dir}/lock`;
    const first = fs.lock(path, false);
    const second = fs.lock(path, false);
    expect(first).toBeDefined();
    expect(second).toBeDefined();
    first?.release();
    expect(fs.lock(path, true)).toBeUndefined();
    second?.release();
    const owner = fs.lock(path, true);
    expect(owner).toBeDefined();
    owner?.release();
  });
}

function describeMarks(make: () => Place): void {
  const generation = 3;

  function makeMark(): Place & { path: string } {
    const { fs, dir } = make();
    const path = `${dir}/mark`;
    fs.writeFileDurably(path, new Uint8Array(BLOCK_BYTES));
    return { fs, dir, path };
  }

  it('what the owner publishes is what a reader reads', () => {
    const { fs, path } = makeMark();
    const owner = fs.openMark(path, generation, true);
    const reader = fs.openMark(path, generation, false);
    expect(reader.inode).toBe(fs.inode(path));
    expect(reader.read()).toBeUndefined();
    owner.publish(2 ** 40 + 4096, generation);
    owner.setState(2);
    expect(reader.read()).toMatchObject({ durableLsn: 2 ** 40 + 4096, state: 2 });
    owner.close();
    reader.close();
  });

  it('a publication of another generation is not taken for one of this', () => {
    const { fs, path } = makeMark();
    const owner = fs.openMark(path, generation + 1, true);
    const reader = fs.openMark(path, generation, false);
    owner.publish(4096, generation + 1);
    expect(owner.read()?.durableLsn).toBe(4096);
    expect(reader.read()).toBeUndefined();
    owner.close();
    reader.close();
  });

  it('a wait ends with a publication, a change of state, at once if one was missed', async () => {
    const { fs, path } = makeMark();
    const owner = fs.openMark(path, generation, true);
    const reader = fs.openMark(path, generation, false);
    owner.publish(4096, generation);
    const first = reader.read()!;
    const published = reader.wait(first.word, 1000);
    owner.publish(8192, generation);
    await published;
    const second = reader.read()!;
    expect(second.durableLsn).toBe(8192);
    expect(second.word).not.toBe(first.word);
    const changed = reader.wait(second.word, 1000);
    owner.setState(2);
    await changed;
    const third = reader.read()!;
    expect(third).toMatchObject({ durableLsn: 8192, state: 2 });
    owner.setState(2);
    expect(reader.read()).toEqual(third);
    await reader.wait(first.word, 1000);
    owner.close();
    reader.close();
  });

  it('a wait in vain ends with its time', async () => {
    const { fs, path } = makeMark();
    const owner = fs.openMark(path, generation, true);
    owner.publish(4096, generation);
    const seen = owner.read()!;
    await owner.wait(seen.word, 20);
    expect(owner.read()).toEqual(seen);
    owner.close();
  });

  it('closing during a wait ends the wait', async () => {
    const { fs, path } = makeMark();
    const owner = fs.openMark(path, generation, true);
    owner.publish(4096, generation);
    const wait = owner.wait(owner.read()!.word, 1000);
    owner.close();
    owner.close();
    await expect(wait).resolves.toBeUndefined();
  });

  it('a file too short to be mapped is refused', () => {
    const { fs, dir } = make();
    fs.writeFileDurably(`${dir}/short`, new Uint8Array(100));
    expect(codeOf(() => fs.openMark(`${dir}/short`, generation, false))).toBe('EINVAL');
  });
}
