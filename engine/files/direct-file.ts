/** Files whose writes are durable when they return, and the memory that O_DIRECT asks for. */
import { native } from '../../native/index.ts';
import type { DurableFile } from './file-system.ts';

export function openDurable(path: string, direct: boolean): DurableFile {
  const file = new native.DurableFile(path, direct);
  return {
    path,
    direct,
    write: (block, position, meanwhile) =>
      file.write(block, position, meanwhile && (() => meanwhile(() => file.isWriting()))),
    close: () => file.close(),
  };
}

/** Zeroed memory at an address that is a multiple of 4096. */
export function alignedBuffer(bytes: number): Uint8Array {
  return new Uint8Array(native.alignedMemory(bytes));
}
