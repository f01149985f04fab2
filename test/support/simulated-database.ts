/**
 * An SQLite database on a simulated disk: better-sqlite3 in memory, whose state is the content of
 * its file.
 *
 *   BEGIN   may be busy
 *   COMMIT  time passes, and it may fail: then nothing has happened. Else the file holds the new
 *           state at once, as a whole: a process that dies leaves that
 *   power   takes the file back to an older state, unless it was synced since (`Content.replace`)
 *
 * SQLite's write-ahead log is part of the file. What stands beside it is empty, and there for as
 * long as the log would be: from the first commit until the last one who may write closes, but
 * not if he dies.
 */
import Database from 'better-sqlite3';
import type { Content } from './simulated-disk.ts';

/** What a database asks of the file system that it is on. */
export interface DatabaseFile {
  readonly content: Content;
  /** Time passes; may throw an SqliteError. */
  begin(): void;
  /** @param bytes of the database from now on */
  commit(bytes: number): void;
  /** What was committed outlasts a power cut from now on. */
  sync(): void;
  /** Somebody writes to it: there is a log beside it; or not any more. */
  showLog(isThere: boolean): void;
}

type Change = Parameters<Database.Database['transaction']>[0];

export function sqliteError(code: string, path: string): Error {
  return new Database.SqliteError(`${code}: ${path}`, code);
}

export class SimulatedDatabase extends Database {
  readonly #file: DatabaseFile;
  readonly #others: Set<{ readonly content: Content }>;
  readonly #mayWrite: boolean;
  #isAlive = true;

  constructor(
    file: DatabaseFile,
    others: Set<{ readonly content: Content }>,
    { readonly: isReadOnly = false }: Database.Options,
  ) {
    const { seen } = file.content;
    if (seen.length > 0) super(Buffer.from(seen), { readonly: isReadOnly });
    else super(':memory:');
    this.#file = file;
    this.#others = others;
    this.#mayWrite = !isReadOnly;
    others.add(this);
  }

  get content(): Content {
    return this.#file.content;
  }

  override exec(source: string): this {
    this.#change(() => super.exec(source));
    return this;
  }

  override pragma(source: string, options?: Database.PragmaOptions): unknown {
    if (source.startsWith('wal_checkpoint')) this.#file.sync();
    const run = (): unknown => super.pragma(source, options);
    return source.startsWith('user_version =') ? this.#change(run) : run();
  }

  /** However it is begun, it takes its lock at once. */
  override transaction<F extends Change>(change: F): Database.Transaction<F> {
    const run: Database.Transaction<F>['immediate'] = (...args) => {
      this.#file.begin();
      const committed = super.transaction(() => {
        const result = change(...args) as ReturnType<F>;
        this.#file.commit(this.#bytes);
        return result;
      });
      const result = committed.immediate();
      this.#file.content.replace(this.serialize());
      this.#file.showLog(true);
      return result;
    };
    return Object.assign(run, { default: run, deferred: run, immediate: run, exclusive: run });
  }

  override close(): this {
    if (this.#isAlive && this.#mayWrite && this.open && this.#isLast) {
      this.#file.content.settleAll();
      this.#file.showLog(false);
    }
    return this.#end();
  }

  /** The process has ended. */
  die(): void {
    this.#isAlive = false;
    // what it is in the middle of is rolled back
    if (!this.inTransaction) this.#end();
  }

  #end(): this {
    this.#others.delete(this);
    return super.close();
  }

  get #isLast(): boolean {
    return [...this.#others].every((one) => one === this || one.content !== this.content);
  }

  get #bytes(): number {
    const [pages, size] = ['page_count', 'page_size'].map((name) =>
      Number(super.pragma(name, { simple: true })),
    );
    return pages! * size!;
  }

  #change<T>(change: () => T): T {
    return this.inTransaction ? change() : this.transaction(change).immediate();
  }
}
