/** `onFull` per stream at the budget: who is refused, who goes on, and that neither starves. */
import { beforeEach, describe, expect, it } from 'vitest';
import { HelicorderError } from '../../../engine/base/errors.ts';
import { MIB } from '../../../engine/base/constants.ts';
import { KEEP_ALL } from '../../../engine/base/retention.ts';
import { encodeEventList, type Answer } from '../../../engine/control/protocol.ts';
import { ControlService, type StoreRequest } from '../../../engine/control/service.ts';
import { applyUpkeep, setRetention, trimStream } from '../../../engine/store/write/changes.ts';
import { StoreReader } from '../../../engine/store/read/reader.ts';
import { systemEnvironment, type StoreEnvironment } from '../../../engine/store/store.ts';
import { planTrim } from '../../../engine/store/upkeep/trim.ts';
import { upkeepStep } from '../../../engine/store/upkeep/upkeep.ts';
import { StoreWriter } from '../../../engine/store/write/writer.ts';
import { verify } from '../../../engine/tools/verify.ts';
import { recordsOf } from '../../support/chunk-store.ts';
import { SeededRandom } from '../../support/random.ts';
import { SimulatedFileSystem } from '../../support/simulated-file-system.ts';

const DIR = '/store';
const BUDGET_BYTES = 16 * MIB;
const KEEP = 'plant/keep';
const DROP = 'plant/drop';
const EVENT_BYTES = 60_000;
const RULES = [
  { ...KEEP_ALL, pattern: DROP, onFull: 'drop-oldest' as const },
  { ...KEEP_ALL, onFull: 'reject-new' as const },
];
const NOISE = new SeededRandom(11).bytes(EVENT_BYTES);

/** One client per stream, and an owner that lets upkeep come to its turn now and then. */
class Rig {
  readonly fs = new SimulatedFileSystem();
  readonly environment: StoreEnvironment;
  readonly writer: StoreWriter;
  readonly service: ControlService;
  readonly answers = new Map<number, Answer>();
  readonly waits: string[] = [];
  readonly #runs = new Map<string, number>();
  readonly #sent = new Map<string, number>();
  peakBytes = 0;
  #key = 0;

  constructor(budget = { bytes: BUDGET_BYTES, minFreeBytes: 0 }, rules = RULES) {
    const random = new SeededRandom(3);
    this.environment = { ...systemEnvironment, fs: this.fs, random, pause: () => {} };
    this.writer = StoreWriter.open(DIR, { ...this.environment, segmentBytes: MIB, budget });
    setRetention(this.writer, { budget, rules });
    this.service = new ControlService(this.writer, this.environment, {
      answer: (key, answer) => this.answers.set(key, answer),
      waiting: (message) => this.waits.push(message),
    });
    for (const stream of [KEEP, DROP]) {
      const key = this.submit(stream, { type: 'open', stream, writer: 'w' });
      while (this.service.serve());
      this.#runs.set(stream, (this.answers.get(key) as { run: number }).run);
    }
  }

  /** Each stream's client has a connection of its own. */
  submit(stream: string, request: object, payload: Uint8Array = new Uint8Array(0)): number {
    const connection = stream === KEEP ? 1 : 2;
    this.service.submit(connection, this.#key, { id: 0, ...request } as StoreRequest, payload);
    return this.#key++;
  }

  /** @returns the key of the request, which `answers` has once it is answered */
  append(stream: string): number {
    const index = this.#sent.get(stream) ?? 0;
    this.#sent.set(stream, index + 1);
    const event = new Uint8Array(EVENT_BYTES);
    event.set(NOISE);
    event.set(Buffer.from(`event ${index} `));
    const request = { type: 'append', run: this.#runs.get(stream) };
    const key = this.submit(stream, request, encodeEventList([event]));
    while (this.service.serve());
    this.peakBytes = Math.max(this.peakBytes, this.fs.diskUse(DIR));
    return key;
  }

  async settle(): Promise<void> {
    for (;;) {
      const options = { dataDir: DIR };
      const result = await upkeepStep(options, this.environment, () => Promise.resolve());
      this.peakBytes = Math.max(this.peakBytes, this.fs.diskUse(DIR));
      applyUpkeep(this.writer, result);
      this.#flush();
      if (result.did === 'nothing') return;
    }
  }

  /** As the thread that owns the log does at each flush. */
  #flush(): void {
    try {
      if (this.writer.isWaiting) this.writer.resume();
    } catch (error) {
      if (!(error instanceof HelicorderError) || error.code !== 'NO_SPACE') throw error;
    }
    while (this.service.serve());
  }

  /** Appends to the streams in turns. @returns how many of each were answered */
  async fill(streams: readonly string[], rounds: number): Promise<Map<string, number>> {
    const keys = streams.map((): number[] => []);
    for (let round = 0; round < rounds; round++) {
      streams.forEach((stream, i) => keys[i]!.push(this.append(stream)));
      if (round % 10 === 9) await this.settle();
    }
    const durable = (key: number): boolean => this.answers.get(key)?.type === 'appended';
    return new Map(streams.map((stream, i) => [stream, keys[i]!.filter(durable).length]));
  }
}

let rig: Rig;
beforeEach(() => (rig = new Rig()));

describe('at the budget', () => {
  it('a stream that rejects is refused, one that drops goes on', async () => {
    const answered = await rig.fill([KEEP, DROP], 500);
    expect(answered.get(DROP)).toBe(500);
    const kept = answered.get(KEEP)!;
    expect(kept * EVENT_BYTES).toBeGreaterThan(BUDGET_BYTES / 2);
    expect(kept * EVENT_BYTES).toBeLessThan(BUDGET_BYTES);
    expect(rig.waits).toContainEqual(expect.stringContaining('reject what is new'));
    expect(rig.peakBytes).toBeLessThanOrEqual(BUDGET_BYTES + 2 * MIB);

    const [first, ...rest] = await recordsOf(rig.environment, DROP);
    const retired = Number(/^0 retired ×(\d+)$/.exec(first!)![1]);
    expect(rest).toEqual(rest.map((_, i) => `${retired + i} ${retired + i}`));
    expect(retired + rest.length).toBe(answered.get(DROP));
    const all = await recordsOf(rig.environment, KEEP);
    expect(all).toEqual(all.map((_, i) => `${i} ${i}`));
    expect(all.length).toBe(kept);
    expect(await verify(DIR, rig.environment)).toMatchObject({ damage: [] });
  });

  it('what was refused is done, in its order, once there is room', async () => {
    await rig.fill([KEEP, DROP], 300);
    const last = rig.append(KEEP);
    const behind = rig.submit(KEEP, { type: 'open', stream: KEEP, writer: 'other' });
    while (rig.service.serve());
    expect([rig.answers.get(last), rig.answers.get(behind)]).toEqual([undefined, undefined]);
    const { id, nextOffset } = rig.writer.state.streamNamed(KEEP)!;
    const reader = StoreReader.open(DIR, rig.environment);
    trimStream(rig.writer, await planTrim(reader, id, nextOffset));
    reader.close();
    // as often as there is something to let go of
    for (let i = 0; i < 10 && !rig.answers.has(behind); i++) {
      rig.append(DROP);
      await rig.settle();
    }
    expect(rig.answers.get(last)).toMatchObject({ type: 'appended' });
    expect(rig.answers.get(behind)).toMatchObject({ type: 'opened' });
  });

  it('a refused client that goes leaves nothing behind, and others are served', async () => {
    await rig.fill([KEEP, DROP], 300);
    const refused = rig.append(KEEP);
    rig.service.gone(1);
    while (rig.service.serve());
    expect(rig.answers.get(refused)).toMatchObject({ type: 'failed', code: 'NO_SPACE' });
    expect(rig.answers.get(rig.append(DROP))).toMatchObject({ type: 'appended' });
    const free = rig.submit(DROP, { type: 'set-cursor', name: 'c', stream: KEEP, offset: 1 });
    while (rig.service.serve());
    expect(rig.answers.get(free)).toEqual({ type: 'done' });
  });

  it('where no stream drops, all of the budget is used, and all wait', async () => {
    rig = new Rig({ bytes: BUDGET_BYTES, minFreeBytes: 0 }, [{ ...KEEP_ALL }]);
    const answered = await rig.fill([KEEP, DROP], 200);
    const sum = [...answered.values()].reduce((all, one) => all + one, 0);
    expect(sum * EVENT_BYTES).toBeGreaterThan(BUDGET_BYTES - 3 * MIB);
    expect(rig.writer.isWaiting).toBe(true);
    expect(rig.writer.admission.isScarce).toBe(false);
  });
});
