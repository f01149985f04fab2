/** The mark of `docs/format-log.md` in the page cache of a simulated disk. */
import { BLOCK_BYTES } from '../../engine/base/constants.ts';
import { crc32c } from '../../engine/base/crc32c.ts';
import type { MarkFile, MarkValues } from '../../engine/files/file-system.ts';
import type { Content } from './simulated-disk.ts';
import type { Host } from './simulated-file-system.ts';

export class SimulatedMark implements MarkFile {
  readonly inode: number;
  readonly #content: Content;
  readonly #generation: number;
  readonly #host: Host;
  readonly #view: DataView;
  #wake: (() => void) | undefined;

  constructor(content: Content, generation: number, host: Host) {
    this.inode = content.inode;
    this.#content = content;
    this.#generation = generation;
    this.#host = host;
    const { buffer, byteOffset } = content.seen;
    this.#view = new DataView(buffer, byteOffset, BLOCK_BYTES);
  }

  publish(durableLsn: number, generation: number): void {
    this.#host.step('mark', 'publish', durableLsn);
    this.#view.setBigUint64(64, BigInt(durableLsn), true);
    this.#view.setBigUint64(72, checkOf(BigInt(durableLsn), generation), true);
    this.#wakeAll();
  }

  setState(state: number): void {
    this.#host.step('mark', 'state', state);
    if (this.#view.getUint32(84, true) === state) return;
    this.#view.setUint32(84, state, true);
    this.#wakeAll();
  }

  read(): MarkValues | undefined {
    const durable = this.#view.getBigUint64(64, true);
    const check = this.#view.getBigUint64(72, true);
    if (check !== checkOf(durable, this.#generation)) return undefined;
    const word = this.#view.getUint32(80, true);
    return { durableLsn: Number(durable), word, state: this.#view.getUint32(84, true) };
  }

  wait(word: number, timeoutMs: number): Promise<void> {
    if (this.#view.getUint32(80, true) !== word) return Promise.resolve();
    const { waiters } = this.#content;
    return new Promise((resolve) => {
      const wake = (): void => {
        cancel();
        waiters.delete(wake);
        resolve();
      };
      const cancel = this.#host.after(timeoutMs, wake);
      this.#wake = wake;
      waiters.add(wake);
    });
  }

  close(): void {
    this.#wake?.();
  }

  #wakeAll(): void {
    this.#content.isMapped = true;
    this.#view.setUint32(80, this.#view.getUint32(80, true) + 1, true);
    for (const wake of [...this.#content.waiters]) wake();
  }
}

function checkOf(durable: bigint, generation: number): bigint {
  const words = new DataView(new ArrayBuffer(16));
  words.setBigUint64(0, BigInt(generation), true);
  words.setBigUint64(8, durable, true);
  const crc = crc32c(new Uint8Array(words.buffer));
  return (BigInt(~crc >>> 0) << 32n) | BigInt(crc);
}
