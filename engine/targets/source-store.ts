/**
 * A store as all copies out of it read it: one reader, however many streams are copied. A reader
 * applies every group to its control state, and opening one reads the log from its newest snapshot
 * on: a thousand copies would do all of it a thousand times.
 *
 * Belongs to one thread. Whoever makes it closes it, after the copies.
 */
import { Store, type StoreEnvironment } from '../store/store.ts';
import type { Requests } from './store-participant.ts';

export class SourceStore {
  readonly store: Store;
  readonly environment: StoreEnvironment;
  readonly owner: Requests;
  /** the connection to the owner whose mark the reader follows */
  #client: unknown;
  #isClosed = false;

  /** @throws NOT_A_STORE, DAMAGED */
  constructor(dataDir: string, owner: Requests, environment: StoreEnvironment) {
    this.store = Store.open(dataDir, environment);
    this.environment = environment;
    this.owner = owner;
  }

  /** Reads up to where the present owner has come. @throws what keeps it from being asked */
  async follow(): Promise<void> {
    const client = await this.owner.client();
    const { reader } = this.store;
    // whoever waited for it has been stopped meanwhile
    if (this.#isClosed) return;
    if (client === this.#client && reader.isOwned) return void reader.refresh();
    // whoever owned it may have written since the reader was opened
    reader.renew();
    this.#client = client;
  }

  /** As of the last time it was followed: no disk is asked, and none can fail. */
  streamNames(): string[] {
    return [...this.store.reader.state.streams.values()].map(({ name }) => name);
  }

  close(): void {
    this.#isClosed = true;
    this.store.close();
  }
}
