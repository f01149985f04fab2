/** What is said of a disk's syncs: never more than is known. */
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { blockDeviceOf } from '../../../engine/files/block-device.ts';
import { judge, type SyncFacts } from '../../../engine/selftest/sync.ts';
import { temporaryDirectory } from '../../support/directory.ts';

const SOLID: SyncFacts = {
  fileSystem: { type: 'ext4' },
  device: { name: 'nvme0n1', kind: 'solid', writeCache: 'write back' },
  flushes: { syncs: 1000, flushes: 1001 },
  fdatasyncP50Micros: 700,
};
const withDevice = (change: Partial<NonNullable<SyncFacts['device']>>): SyncFacts => ({
  ...SOLID,
  device: { ...SOLID.device!, ...change },
});

describe('the verdict', () => {
  it('flash that is told to flush, and takes its time, looks honest', () => {
    expect(judge(SOLID).verdict).toBe('looks honest');
  });

  it('flushes that never reach a cache that forgets are suspicious', () => {
    const { verdict, reasons } = judge({ ...SOLID, flushes: { syncs: 1000, flushes: 3 } });
    expect([verdict, reasons]).toEqual([
      'suspicious',
      [expect.stringMatching(/1000 syncs 3 were/)],
    ]);
  });

  it('flash with a cache that forgets cannot be as fast as memory', () => {
    expect(judge({ ...SOLID, fdatasyncP50Micros: 20 }).verdict).toBe('suspicious');
    const safe = withDevice({ writeCache: 'write through' });
    expect(judge({ ...safe, fdatasyncP50Micros: 20 }).verdict).toBe('looks honest');
  });

  it('a platter turns once for each durable block', () => {
    const disk = withDevice({ kind: 'rotating' });
    expect(judge({ ...disk, fdatasyncP50Micros: 111 }).verdict).toBe('suspicious');
    expect(judge({ ...disk, fdatasyncP50Micros: 8300 }).verdict).toBe('looks honest');
  });

  it('of a virtual or stacked disk, or none, nothing can be told', () => {
    expect(judge(withDevice({ kind: 'virtual' })).verdict).toBe('cannot tell');
    expect(judge(withDevice({ kind: 'stacked' })).verdict).toBe('cannot tell');
    expect(judge({ ...SOLID, device: undefined }).verdict).toBe('cannot tell');
    expect(judge(withDevice({ writeCache: undefined })).verdict).toBe('cannot tell');
  });

  it('memory is no disk', () => {
    const memory = { type: 'tmpfs', warning: 'tmpfs lives in memory' };
    expect(judge({ ...SOLID, device: undefined, fileSystem: memory }).verdict).toBe('suspicious');
  });
});

describe('a block device', () => {
  /** sysfs of a disk at `place`, with a partition 8:1. */
  function sysfs(place: string): string {
    const root = temporaryDirectory();
    const disk = join(root, 'devices', place);
    for (const dir of [join(disk, 'queue'), join(disk, 'sda1'), join(root, 'dev/block')]) {
      mkdirSync(dir, { recursive: true });
    }
    writeFileSync(join(disk, 'sda1/partition'), '1\n');
    writeFileSync(join(disk, 'queue/rotational'), '1\n');
    writeFileSync(join(disk, 'queue/write_cache'), 'write back\n');
    writeFileSync(join(disk, 'stat'), `${Array.from({ length: 17 }, (_, i) => i).join('   ')}\n`);
    symlinkSync(join(disk, 'sda1'), join(root, 'dev/block/8:1'));
    return root;
  }
  const PARTITION = (8 << 8) | 1;

  it('of a partition is its disk, with its cache and its flushes', () => {
    const device = blockDeviceOf(PARTITION, sysfs('pci0000:00/ata1/block/sda'))!;
    expect(device).toMatchObject({ name: 'sda', kind: 'rotating', writeCache: 'write back' });
    expect(device.flushes()).toBe(15);
  });

  it('that a host makes up, or that lies on others, is told apart', () => {
    expect(blockDeviceOf(PARTITION, sysfs('pci/virtio0/block/vda'))!.kind).toBe('virtual');
    expect(blockDeviceOf(PARTITION, sysfs('virtual/block/dm-0'))!.kind).toBe('stacked');
  });

  it('that the kernel does not name is none', () => {
    expect(blockDeviceOf(0, sysfs('pci/ata1/block/sda'))).toBeUndefined();
  });
});
