/** Where a step works: its directory, chance and time, and the children it has started. */
import { monotonicMs } from '../base/clock.ts';
import { HelicorderError } from '../base/errors.ts';
import { Store, type StoreEnvironment } from '../store/store.ts';
import { askRecorder } from '../tools/change.ts';
import type { RecorderStatus, VerifiedStream, VerifyReport } from '../tools/types.ts';
import { verify } from '../tools/verify.ts';
import type { Chance } from './chance.ts';
import { Child, type Ended } from './child.ts';
import { BrokenPromise, promised } from './promise.ts';

export interface LabOptions {
  /** exists; everything is made in it */
  dir: string;
  program: readonly string[];
  environment: StoreEnvironment;
  chance: Chance;
  /** what the step may take; it does its least in any case */
  budgetMs: number;
  onProgress: (text: string) => void;
  signal?: AbortSignal;
}

/** What a step has done, if no promise broke. */
export interface StepResult {
  found: string[];
  counts: Record<string, number>;
}

/** The stream of samples that recorders of the self-test record. */
export const BOX = 'selftest/box';
/** A child that nobody ends any more, because the self-test was killed itself, ends by then. */
const LIFE = '150s';
const LOOK_AGAIN_MS = 20;
const START_MS = 30_000;

export class Lab {
  readonly dir: string;
  readonly environment: StoreEnvironment;
  readonly chance: Chance;
  readonly progress: (text: string) => void;
  readonly #options: LabOptions;
  readonly #children = new Set<Child>();
  readonly #startMs: number;

  constructor(options: LabOptions) {
    this.#options = options;
    this.dir = options.dir;
    this.environment = options.environment;
    this.chance = options.chance;
    this.progress = options.onProgress;
    this.#startMs = this.nowMs();
  }

  /** @param share of the step's time */
  hasTime(share = 1): boolean {
    return this.nowMs() < this.#startMs + share * this.#options.budgetMs;
  }

  /** @throws the signal's reason */
  async pause(ms: number): Promise<void> {
    await this.environment.sleep(ms);
    this.#options.signal?.throwIfAborted();
  }

  start(words: readonly string[]): Child {
    this.#options.signal?.throwIfAborted();
    const child = new Child(this.#options.program, words, this.dir);
    this.#children.add(child);
    void child.ended.then(() => this.#children.delete(child));
    return child;
  }

  /** Runs the program to its end. @throws BrokenPromise if that is not exit code 0 */
  run(words: readonly string[]): Promise<Ended> {
    return this.start(words).finish();
  }

  /** kill −9 for all that still run; resolves once they have gone. */
  async killAll(): Promise<void> {
    await Promise.all([...this.#children].map((child) => child.kill()));
  }

  /** Writes a configuration. @returns its path */
  configure(name: string, store: object, source: object = {}): string {
    const path = `${this.dir}/${name}.yaml`;
    const sources = [{ source: 'synthetic', stream: BOX, ...source }];
    const text = JSON.stringify({ store, sources, realtime: 'off' });
    this.environment.fs.writeFileDurably(path, new TextEncoder().encode(text));
    return path;
  }

  /** A recorder that owns its store by now, and serves it. */
  async startRecorder(config: string, dir: string): Promise<Child> {
    const recorder = this.start([
      ...['run', '--config', config, '--data-dir', dir],
      ...['--quiet', '--duration', LIFE],
    ]);
    await this.waitForStatus(recorder, dir, () => true);
    return recorder;
  }

  /** Asks the recorder on `dir` until its status is the wanted one. */
  async waitForStatus(
    recorder: Child,
    dir: string,
    isWanted: (status: RecorderStatus) => boolean | Promise<boolean>,
  ): Promise<void> {
    const deadline = this.nowMs() + START_MS;
    for (;;) {
      const status = await statusOf(dir);
      if (status !== undefined && (await isWanted(status))) return;
      if (recorder.isEnded) recorder.expectWell(await recorder.ended);
      promised(!recorder.isEnded, () => 'the recorder ended by itself');
      promised(this.nowMs() < deadline, () => 'the recorder has not come so far within 30 s');
      await this.pause(LOOK_AGAIN_MS);
    }
  }

  /** Records of a stream that are accepted, as a reader sees them. */
  acceptedRecords(dir: string, stream: string): number {
    const store = Store.open(dir, this.environment);
    try {
      return store.streamNames().includes(stream) ? store.stream(stream).nextOffset : 0;
    } finally {
      store.close();
    }
  }

  /** Reads the whole store. @throws BrokenPromise if anything is not as it was accepted */
  async verified(dir: string): Promise<VerifyReport> {
    const report = await verify(dir, this.environment);
    const [first] = report.damage;
    if (first) throw new BrokenPromise(`verify: ${first.file}: ${first.what}`);
    for (const stream of report.streams) {
      checkWhole(stream);
      checkBalance(stream);
    }
    return report;
  }

  /** of the monotonic clock */
  nowMs(): number {
    return monotonicMs(this.#options.environment.clock);
  }
}

export function gapTicksOf({ gaps }: VerifiedStream): number {
  return gaps.reduce((sum, { ticks }) => sum + Number(ticks ?? 0), 0);
}

/** A store that is owned and sealed while it rots is clean again, with a gap where records were. */
function checkWhole({ name, gaps }: VerifiedStream): void {
  const lost = gaps.find(({ reason }) => reason === 'corrupt');
  promised(lost === undefined, () => `records of ${name} were damaged: a gap (corrupt) is there`);
}

/** `verify` says so itself; it is counted once more from what it reports. */
function checkBalance(stream: VerifiedStream): void {
  const { name, ticksScheduled, samples } = stream;
  const gapTicks = gapTicksOf(stream);
  promised(
    Number(samples) + gapTicks === Number(ticksScheduled),
    () =>
      `the account of ${name} does not balance: ${ticksScheduled} ticks were scheduled, ` +
      `${samples} are samples and ${gapTicks} lie in gaps`,
  );
}

async function statusOf(dir: string): Promise<RecorderStatus | undefined> {
  try {
    return (await askRecorder(dir, 'status')) as RecorderStatus;
  } catch (error) {
    // not yet there, or just about to go
    if (error instanceof HelicorderError) return undefined;
    throw error;
  }
}
