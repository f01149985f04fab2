/**
 * A real file system in a file of its own, for root: one that a test may freeze, or cut the power
 * of. The image is sparse and lies with the other temporary files.
 */
import { execFileSync } from 'node:child_process';
import { closeSync, ftruncateSync, mkdirSync, openSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { temporaryDirectory } from './directory.ts';

/** mkfs.xfs refuses less than 300 MiB. */
const IMAGE_BYTES = 320 * 2 ** 20;

export const FILE_SYSTEMS = ['ext4', 'xfs'] as const;

export type FileSystemKind = (typeof FILE_SYSTEMS)[number];

export function command(name: string, ...args: string[]): void {
  execFileSync(name, args, { stdio: 'pipe' });
}

/** What keeps this process from making such disks; undefined: nothing. Found out by doing it. */
export function whyNoLoopDisk(...tools: readonly string[]): string | undefined {
  if (process.getuid?.() !== 0) return 'only root may mount one';
  try {
    for (const tool of tools) command('which', tool);
    command('losetup', '--find');
    return undefined;
  } catch {
    return `a loop device, or one of ${tools.join(', ')}, is missing`;
  }
}

const MOUNT_ATTEMPTS = 600;
const MOUNT_AGAIN_MS = 100;

export class LoopDisk {
  /** where it is mounted; root's own */
  readonly dir: string;
  readonly #image: string;
  #isMounted = false;
  #isCut = false;

  /** Made and mounted; unmounted and gone when the test has finished, however it ends. */
  constructor(kind: FileSystemKind) {
    const base = temporaryDirectory();
    this.#image = join(base, 'image');
    this.dir = join(base, 'disk');
    const file = openSync(this.#image, 'w');
    ftruncateSync(file, IMAGE_BYTES);
    closeSync(file);
    mkdirSync(this.dir);
    command(`mkfs.${kind}`, '-q', this.#image);
    this.mount();
    onTestFinished(() => {
      // whoever still has a file open there is being killed: it goes when they are gone
      if (this.#isMounted) command('umount', '--lazy', this.dir);
    });
  }

  /**
   * A mount namespace that somebody has made (`unshare`, in a test beside this one) may hold the
   * file system that was shut down for a moment longer: mounted again it would be that one.
   */
  mount(): void {
    for (let left = MOUNT_ATTEMPTS; ; left--) {
      command('mount', '-o', 'loop', this.#image, this.dir);
      if (this.#takesFiles()) break;
      command('umount', this.dir);
      if (left === 0) throw new Error(`${this.dir} is shut down and stays so`);
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, MOUNT_AGAIN_MS);
    }
    [this.#isMounted, this.#isCut] = [true, false];
  }

  #takesFiles(): boolean {
    const probe = join(this.dir, '.probe');
    try {
      closeSync(openSync(probe, 'w'));
      unlinkSync(probe);
      return true;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EIO') throw error;
      return false;
    }
  }

  /** Nobody may have a file open there any more. */
  unmount(): void {
    command('umount', this.dir);
    this.#isMounted = false;
  }

  /**
   * The power is cut: from this instant no write reaches the image, and no sync succeeds. What was
   * not synced is gone with the next `unmount`; `mount` then finds what a disk would hold.
   */
  cutPower(): void {
    if (this.#isCut) return;
    this.#isCut = true;
    command('xfs_io', '-x', '-c', 'shutdown', this.dir);
  }
}
