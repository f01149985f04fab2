/**
 * The disk below a file, as the kernel describes it in sysfs: whether it turns, whether it says
 * that it has a cache that forgets, and how often it was told to flush that.
 * Documentation/ABI/stable/sysfs-block (queue/rotational, queue/write_cache) and
 * Documentation/block/stat.rst (the 16th number: flushes completed) of Linux.
 */
import { readFileSync, realpathSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { errnoCode } from '../base/errors.ts';

export interface BlockDevice {
  name: string;
  /**
   * `virtual`: a host makes it up; `stacked`: it lies on others (loop, device mapper, RAID);
   * `rotating`, `solid`: as it says of itself
   */
  kind: 'virtual' | 'stacked' | 'rotating' | 'solid';
  /** a cache that forgets what it holds when the power goes; undefined: the kernel does not say */
  writeCache: 'write back' | 'write through' | undefined;
  /** flushes that the disk has completed since it is there; undefined: not counted */
  flushes(): number | undefined;
}

const FLUSHES_FIELD = 15;

/** @returns undefined where no one disk is below: tmpfs, overlays, network, btrfs */
export function blockDevice(path: string, sysfs = '/sys'): BlockDevice | undefined {
  return blockDeviceOf(statSync(path).dev, sysfs);
}

/** @param dev as `stat` gives it: major and minor as in glibc's gnu_dev_major */
export function blockDeviceOf(dev: number, sysfs: string): BlockDevice | undefined {
  const [major, minor] = [(dev >>> 8) & 0xfff, (dev & 0xff) | ((dev >>> 12) & 0xfff00)];
  const place = placeOf(join(sysfs, 'dev/block', `${major}:${minor}`));
  if (place === undefined) return undefined;
  // a partition lies in the directory of its disk, which alone has a queue and counts flushes
  const isPartition = textOf(join(place, 'partition')) !== undefined;
  const disk = isPartition ? dirname(place) : place;
  const rotational = textOf(join(disk, 'queue/rotational'));
  const writeCache = textOf(join(disk, 'queue/write_cache'));
  return {
    name: basename(disk),
    kind: kindOf(disk, rotational === '1'),
    writeCache:
      writeCache === 'write back' || writeCache === 'write through' ? writeCache : undefined,
    flushes: () => {
      const field = textOf(join(disk, 'stat'))?.split(/\s+/)[FLUSHES_FIELD];
      return field === undefined ? undefined : Number(field);
    },
  };
}

function kindOf(disk: string, isRotating: boolean): BlockDevice['kind'] {
  if (/\/virtual\/block\//.test(disk)) return 'stacked';
  if (/\/(virtio\d+|vbd-\d+|VMBUS:)/i.test(disk)) return 'virtual';
  if (
    /QEMU|VMware|VBOX|Virtual|Amazon Elastic|PersistentDisk|Msft/i.test(
      textOf(join(disk, 'device/model')) ?? '',
    )
  )
    return 'virtual';
  return isRotating ? 'rotating' : 'solid';
}

function placeOf(link: string): string | undefined {
  try {
    return realpathSync(link);
  } catch (error) {
    if (errnoCode(error) !== undefined) return undefined;
    throw error;
  }
}

function textOf(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch (error) {
    if (errnoCode(error) !== undefined) return undefined;
    throw error;
  }
}
