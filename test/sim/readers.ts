/**
 * Readers: processes of their own that read while the owner writes. All they see goes through the
 * oracle, so each of them watches over I6: what was shown must never go, or change.
 */
import { HelicorderError, errnoCode } from '../../engine/base/errors.ts';
import { Store } from '../../engine/store/store.ts';
import { StreamReader } from '../../engine/store/stream-reader.ts';
import type { Oracle } from './oracle.ts';
import { DIR } from './owners.ts';
import type { Pass } from './pass.ts';
import type { Process } from './world.ts';

/** No store or stream yet, a disk that fails, or damage that was injected. */
function isExpected(error: unknown, process: Process, oracle: Oracle): boolean {
  if (!(error instanceof HelicorderError)) {
    return errnoCode(error) === 'EIO' && process.world.weather.hasReadFaults;
  }
  switch (error.code) {
    case 'STORE_IO':
      return process.world.weather.hasReadFaults;
    case 'DAMAGED':
      return oracle.isLenient;
    default:
      return ['NOT_A_STORE', 'NO_SUCH_STREAM', 'STORE_IN_USE'].includes(error.code);
  }
}

function quietly(process: Process, oracle: Oracle, look: () => void): void {
  try {
    look();
  } catch (error) {
    if (!isExpected(error, process, oracle)) throw error;
  }
}

function anyStream(process: Process, oracle: Oracle): string {
  const names = [...oracle.streams.keys()];
  return names[process.random.below(names.length)]!;
}

/** Follows one stream from anywhere on, at its own pace, until the owner is gone. */
export async function follower(process: Process, oracle: Oracle): Promise<void> {
  const { random, environment } = process;
  const name = anyStream(process, oracle);
  await process.sleep(random.below(500));
  try {
    const store = Store.open(DIR, environment);
    const from = random.below(store.stream(name).nextOffset + 1);
    const pass = oracle.pass(name);
    for await (const item of store.read(name, { from, follow: true })) {
      pass.see(item);
      if (random.next() < 0.2) await process.sleep(random.below(50));
    }
    store.close();
  } catch (error) {
    if (!isExpected(error, process, oracle)) throw error;
  }
}

/**
 * Looks at random moments, also in the middle of what the owner does: everything up to the end,
 * which must be the end of something that was appended at once.
 */
export class Peeker {
  readonly #process: Process;
  readonly #oracle: Oracle;
  readonly #name: string;
  #store: Store | undefined;
  #reader: StreamReader | undefined;
  #pass: Pass | undefined;

  constructor(process: Process, oracle: Oracle) {
    this.#process = process;
    this.#oracle = oracle;
    this.#name = anyStream(process, oracle);
  }

  start(): void {
    this.#process.interrupt(this.#process.random.below(90_000) / 1000, () => {
      quietly(this.#process, this.#oracle, () => this.#look());
      this.start();
    });
  }

  #look(): void {
    const { random, environment } = this.#process;
    if (this.#store === undefined || random.next() < 0.05) {
      this.#store?.close();
      this.#store = undefined;
      const store = Store.open(DIR, environment);
      this.#reader = new StreamReader(store.reader, store.stream(this.#name).id, 0);
      this.#pass = this.#oracle.pass(this.#name);
      this.#store = store;
    } else {
      this.#store.reader.refresh();
    }
    for (const item of this.#reader!.items()) this.#pass!.see(item);
    this.#pass!.atEnd();
  }
}
