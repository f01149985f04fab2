/** The shared page of a mark with its check word (`docs/format-log.md`, Mark). */
import { setTimeout as sleep } from 'node:timers/promises';
import { native, type Mark } from '../../native/index.ts';
import { crc32c } from '../base/crc32c.ts';
import { errnoCode } from '../base/errors.ts';
import type { MarkFile, MarkValues } from './file-system.ts';

/** A publication takes nanoseconds: a pair that is still half after this many looks is no pair. */
const READ_TRIES = 8;
const LOOK_AGAIN_MS = 10;

export class NativeMarkFile implements MarkFile {
  readonly inode: number;
  readonly #generation: number;
  readonly #mark: Mark;
  readonly #words = new BigUint64Array(4);
  readonly #checked = new DataView(new ArrayBuffer(16));
  #closed = false;

  /** @param fd may be closed afterwards */
  constructor(fd: number, inode: number, generation: number, writable: boolean) {
    this.inode = inode;
    this.#generation = generation;
    this.#mark = new native.Mark(fd, writable);
  }

  publish(durableLsn: number, generation: number): void {
    const durable = BigInt(durableLsn);
    this.#mark.publish(durable, this.#checkOf(durable, generation));
  }

  setState(state: number): void {
    this.#mark.setState(state);
  }

  read(): MarkValues | undefined {
    for (let i = 0; i < READ_TRIES; i++) {
      this.#mark.read(this.#words);
      const [durable, check, word, state] = this.#words as unknown as [
        bigint,
        bigint,
        bigint,
        bigint,
      ];
      if (check !== this.#checkOf(durable, this.#generation)) continue;
      // no LSN is as large as this, and anybody may have written the page
      if (durable > BigInt(Number.MAX_SAFE_INTEGER)) return undefined;
      return {
        durableLsn: Number(durable),
        state: Number(state),
        word: Number(word),
      };
    }
    return undefined;
  }

  async wait(word: number, timeoutMs: number): Promise<void> {
    try {
      await this.#mark.wait(word, timeoutMs);
    } catch (error) {
      // no thread that could wait: at a limit of them a reader looks again a little later
      if (errnoCode(error) !== 'EAGAIN') throw error;
      await sleep(Math.min(timeoutMs, LOOK_AGAIN_MS));
    }
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#mark.close();
  }

  /** CRC32C over generation and durable LSN, its complement in the high half. */
  #checkOf(durable: bigint, generation: number): bigint {
    this.#checked.setBigUint64(0, BigInt(generation), true);
    this.#checked.setBigUint64(8, durable, true);
    const crc = crc32c(new Uint8Array(this.#checked.buffer));
    return (BigInt(~crc >>> 0) << 32n) | BigInt(crc);
  }
}
