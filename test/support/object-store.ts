/**
 * A place for chunks as an object store gives it (S3 and what speaks like it), in memory: objects
 * are put whole or in parts that are completed, read in ranges by tag, listed
 * and deleted. There is no rename, no append, and nothing stays open.
 */
import { HelicorderError } from '../../engine/base/errors.ts';
import type { ChunkPlace, ChunkSink, ChunkSource } from '../../engine/store/chunks/place.ts';

interface StoredObject {
  bytes: Uint8Array;
  /** of this content under this name: a replacement has another one */
  tag: number;
}

/** The server: what it answers, and how often it was asked for what. */
export class ObjectServer {
  readonly objects = new Map<string, StoredObject>();
  /** parts of uploads that were begun and neither completed nor given up */
  readonly uploads = new Map<number, Uint8Array[]>();
  isAway = false;
  #next = 1;

  begin(): number {
    this.#answer();
    const upload = this.#next++;
    this.uploads.set(upload, []);
    return upload;
  }

  begun(): number[] {
    this.#answer();
    return [...this.uploads.keys()];
  }

  putPart(upload: number, bytes: Uint8Array): void {
    this.#answer();
    this.uploads.get(upload)!.push(bytes.slice());
  }

  complete(upload: number, name: string): void {
    this.#answer();
    const bytes = new Uint8Array(Buffer.concat(this.uploads.get(upload)!));
    this.uploads.delete(upload);
    this.objects.set(name, { bytes, tag: this.#next++ });
  }

  giveUp(upload: number): void {
    this.#answer();
    this.uploads.delete(upload);
  }

  head(name: string): { length: number; tag: number } | undefined {
    this.#answer();
    const object = this.objects.get(name);
    return object && { length: object.bytes.length, tag: object.tag };
  }

  /** @returns undefined: the precondition failed, there is no such object with this tag */
  get(name: string, tag: number, from: number, to: number): Uint8Array | undefined {
    this.#answer();
    const object = this.objects.get(name);
    return object?.tag === tag ? object.bytes.slice(from, to) : undefined;
  }

  list(): { name: string; bytes: number }[] {
    this.#answer();
    const all = [...this.objects].map(([name, { bytes }]) => ({ name, bytes: bytes.length }));
    return all.sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  delete(name: string): void {
    this.#answer();
    this.objects.delete(name);
  }

  #answer(): void {
    if (this.isAway) throw unavailable('does not answer');
  }
}

export class ObjectPlace implements ChunkPlace {
  readonly name = 'objects://bucket';
  readonly #server: ObjectServer;

  constructor(server: ObjectServer) {
    this.#server = server;
  }

  async list(): Promise<{ name: string; bytes: number }[]> {
    return Promise.resolve().then(() => this.#server.list());
  }

  open(name: string): Promise<ChunkSource | undefined> {
    return Promise.resolve().then(() => {
      const head = this.#server.head(name);
      if (head === undefined) return undefined;
      const { length, tag } = head;
      const read = (at: number, count: number): Promise<Uint8Array> =>
        Promise.resolve().then(() => {
          const bytes = this.#server.get(name, tag, at, at + count);
          if (bytes) return bytes;
          throw unavailable(`has another ${name} by now`);
        });
      return { bytes: length, read, close: () => undefined };
    });
  }

  put(name: string): Promise<ChunkSink> {
    return Promise.resolve().then(() => new Upload(this.#server, this.#server.begin(), name));
  }

  remove(name: string): Promise<void> {
    return Promise.resolve().then(() => this.#server.delete(name));
  }

  sweep(): Promise<void> {
    return Promise.resolve().then(() => {
      for (const upload of this.#server.begun()) this.#server.giveUp(upload);
    });
  }
}

class Upload implements ChunkSink {
  readonly #server: ObjectServer;
  readonly #upload: number;
  readonly #name: string;
  bytes = 0;

  constructor(server: ObjectServer, upload: number, name: string) {
    this.#server = server;
    this.#upload = upload;
    this.#name = name;
  }

  write(bytes: Uint8Array): Promise<void> {
    return Promise.resolve().then(() => {
      this.#server.putPart(this.#upload, bytes);
      this.bytes += bytes.length;
    });
  }

  written(): Promise<undefined> {
    return Promise.resolve(undefined);
  }

  commit(): Promise<void> {
    return Promise.resolve().then(() => this.#server.complete(this.#upload, this.#name));
  }

  abort(): Promise<void> {
    return Promise.resolve().then(() => this.#server.giveUp(this.#upload));
  }
}

function unavailable(what: string): HelicorderError {
  return new HelicorderError('UNAVAILABLE', `the object store ${what}`);
}
