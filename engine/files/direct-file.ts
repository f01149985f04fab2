/** Files whose writes are durable when they return, and the memory that O_DIRECT asks for. */
import { closeSync } from 'node:fs';
import { native } from '../../native/index.ts';
import { BLOCK_BYTES } from '../base/constants.ts';
import type { DurableFile } from './file-system.ts';

export class NativeDurableFile implements DurableFile {
  readonly path: string;
  readonly direct: boolean;
  readonly #fd: number;

  constructor(path: string, direct: boolean) {
    this.path = path;
    this.direct = direct;
    this.#fd = native.openDurable(path, true, direct);
  }

  write(block: Uint8Array, position: number): void {
    native.writeDurable(this.#fd, block, position, this.direct);
  }

  close(): void {
    closeSync(this.#fd);
  }
}

/** Zeroed memory at an address that is a multiple of 4096. */
export function alignedBuffer(bytes: number): Uint8Array {
  const memory = new Uint8Array(bytes + BLOCK_BYTES);
  const offset = native.alignedOffset(memory, BLOCK_BYTES);
  return memory.subarray(offset, offset + bytes);
}
