/**
 * Blocks on their way into a chunk that are too many for memory: behind the first
 * BLOCKS_IN_MEMORY_BYTES they wait in a file, which nobody needs once the chunk is written. One
 * that is left behind is swept by the next owner (`spill.ts`).
 */
import { assert } from '../../base/assert.ts';
import { BLOCKS_IN_MEMORY_BYTES } from '../../base/constants.ts';
import type { File, FileSystem } from '../../files/file-system.ts';

const NAME = 'sealing.scratch';

/** Encoded bytes, from wherever they wait to be written. */
export type Load = () => Uint8Array | Promise<Uint8Array>;

export class Scratch {
  readonly #fs: FileSystem;
  readonly #dir: string;
  #inMemory = 0;
  #file: File | undefined;
  #end = 0;

  /** @param dir `DIR/txn` */
  constructor(fs: FileSystem, dir: string) {
    this.#fs = fs;
    this.#dir = dir;
  }

  put(bytes: Uint8Array): Load {
    if (this.#inMemory + bytes.length <= BLOCKS_IN_MEMORY_BYTES) {
      this.#inMemory += bytes.length;
      return () => bytes;
    }
    const file = (this.#file ??= this.#create());
    const place = { at: this.#end, length: bytes.length };
    file.write(bytes, place.at);
    this.#end += bytes.length;
    return () => {
      const loaded = new Uint8Array(place.length);
      const length = file.read(loaded, place.at);
      assert(length === place.length, 'what was put there is read again');
      return loaded;
    };
  }

  remove(): void {
    if (this.#file === undefined) return;
    this.#file.close();
    this.#fs.remove(this.#file.path);
  }

  #create(): File {
    this.#fs.makeDirectory(this.#dir);
    return this.#fs.open(`${this.#dir}/${NAME}`, 'create');
  }
}
