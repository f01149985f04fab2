/**
 * Readers: processes of their own that read while the owner writes. All they see goes through the
 * oracle, so each of them watches over I6: what was shown must never go, or change.
 */
import { HelicorderError, errnoCode } from '../../engine/base/errors.ts';
import { parseSchema } from '../../engine/batch/schema.ts';
import { dataItems } from '../../engine/store/entries/data.ts';
import type { DataItem } from '../../engine/store/entries/data-item.ts';
import { readLog, type LogPosition } from '../../engine/store/log/log.ts';
import { StoreReader } from '../../engine/store/read/reader.ts';
import type { ControlState } from '../../engine/store/state/state.ts';
import { Store } from '../../engine/store/store.ts';
import { StreamReader } from '../../engine/store/read/stream-reader.ts';
import { decodeItem } from '../../engine/store/read/stream-item.ts';
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
      // seldom so long that what it is reading is sealed, and its file written anew
      if (random.next() < 0.2) await process.sleep(random.below(random.next() < 0.1 ? 5000 : 50));
    }
    store.close();
  } catch (error) {
    if (!isExpected(error, process, oracle)) throw error;
  }
}

/**
 * Looks at random moments, also in the middle of what the owner does: at everything that was added
 * since it came, up to the end, which must be the end of something that was appended at once. The
 * public reader is a generator of promises, so this one reads the log by the same parts.
 */
export class Peeker {
  readonly #process: Process;
  readonly #oracle: Oracle;
  readonly #name: string;
  #reader: StoreReader | undefined;
  #position: LogPosition = { lsn: 0, last: undefined };
  #pass: Pass | undefined;
  /** on its way through chunks, which takes more than a moment */
  #isReading = false;

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
    if (this.#isReading) return;
    const isNew = this.#reader === undefined || random.next() < 0.05;
    if (isNew) {
      this.#reader?.close();
      this.#reader = undefined;
      this.#reader = StoreReader.open(DIR, environment);
      this.#position = { lsn: this.#reader.end, last: undefined };
      this.#pass = this.#oracle.pass(this.#name);
    } else {
      this.#reader!.refresh();
    }
    const reader = this.#reader!;
    const isSealed = this.#position.lsn < reader.state.sealedEnd;
    if (isSealed) return this.#beginReading(this.#pass!.nextOffset);
    if (isNew && random.next() < 0.3) return this.#beginReading(undefined);
    this.#readOn(reader);
  }

  /** Begins now, goes on while others do. @param from undefined: from anywhere on */
  #beginReading(from: number | undefined): void {
    const { id, nextOffset } = this.#reader!.state.streamNamed(this.#name) ?? {};
    if (id === undefined) return;
    const { random, world } = this.#process;
    this.#isReading = true;
    const isExact = from !== undefined;
    this.#readChunks(id, from ?? random.below(nextOffset! + 1), isExact)
      .catch((error: unknown) => {
        if (!this.#process.isAlive || isExpected(error, this.#process, this.#oracle)) return;
        world.fail(error);
      })
      .finally(() => (this.#isReading = false));
  }

  /** @param isExact of a batch that has been joined with those before it, what was not seen */
  async #readChunks(stream: number, from: number, isExact: boolean): Promise<void> {
    const reader = this.#reader!;
    for await (const item of new StreamReader(reader, stream, from, { isExact }).items()) {
      // a gap of what was let go of meanwhile is given whole: it begins before what was seen
      const seen = this.#pass!.nextOffset ?? 0;
      const isBack = item.kind === 'gap' && item.reason === 'retired' && item.firstOffset < seen;
      if (isBack) this.#pass = this.#oracle.pass(this.#name);
      this.#pass!.see(item);
    }
    this.#position = { lsn: reader.end, last: undefined };
  }

  #readOn({ fs, paths, end, state }: StoreReader): void {
    const stream = state.streamNamed(this.#name);
    if (stream === undefined) return;
    const log = readLog(fs, paths.log, this.#position, end);
    let step = log.next();
    for (; !step.done; step = log.next()) {
      const found = step.value;
      // it does not fill what rot has taken, as the public reader does
      const isRotten = found.kind === 'fault' && found.lost && this.#oracle.hasRot;
      if (isRotten) this.#pass = this.#oracle.pass(this.#name);
      if (found.kind === 'fault' || found.isSnapshot) continue;
      for (const item of dataItems(found.entries, found.size, () => undefined)) {
        if (item.stream === stream.id) this.#show(item, state);
      }
    }
    const isNew = step.value.lsn > this.#position.lsn;
    this.#position = step.value;
    this.#pass!.showEnd(stream.nextOffset);
    // the moment to prove that what was shown is durable
    const { world } = this.#process;
    if (isNew && world.chance(world.weather.cutAfterLookChance)) world.powerCut();
  }

  #show(item: DataItem, state: ControlState): void {
    const run = state.runs.get(item.run);
    const schema = run && state.schemas.get(run.schemaId);
    // a later run of the same writer has taken its place since
    if (schema === undefined) return void (this.#pass = this.#oracle.pass(this.#name));
    this.#pass!.see(decodeItem(item, { run: run!, schema: parseSchema(schema) }));
  }
}
