/** What happens to one store of a history: its streams, writers, cursors, trims, upkeep, owners. */
import { HelicorderError, type ErrorCode } from '../../engine/base/errors.ts';
import { KEEP_ALL, type RetentionRule } from '../../engine/base/retention.ts';
import { encodeEventList, errorOf, type Answer } from '../../engine/control/protocol.ts';
import { applyUpkeep, setChunksDir } from '../../engine/store/write/changes.ts';
import { trimEntry } from '../../engine/store/entries/control-entries.ts';
import { segmentOf } from '../../engine/store/entries/format.ts';
import { Store } from '../../engine/store/store.ts';
import { planTrim } from '../../engine/store/upkeep/trim.ts';
import { upkeepStep, type UpkeepResult } from '../../engine/store/upkeep/upkeep.ts';
import type { OpenedRun } from '../../engine/store/write/writer.ts';
import { SeededRandom } from '../support/random.ts';
import { beginSamples, commitGap, commitSamples } from '../support/stores.ts';
import type { Home, OpenRun } from './history-home.ts';
import type { Kind, ModelRecord, ModelStore } from './history-model.ts';
import { readOn } from './history-readers.ts';
import { digest } from './history-view.ts';
import type { History, HistoryStep } from './history.ts';

export const STREAMS: Readonly<Record<string, Kind>> = {
  ...{ 'h/a': 'events', 'h/b': 'events', 'h/c': 'events' },
  ...{ 'h/s': 'samples', 'h/t': 'samples' },
};
/** Of each store two, and one of that name in both. */
const WRITERS: Readonly<Record<string, readonly string[]>> = {
  A: ['a1', 'a2', 'both'],
  B: ['b1', 'b2', 'both'],
};
const NOISE = new SeededRandom(7).bytes(2 ** 17);
const LARGE_BYTES = 40_000;
const LATENESS_NANOS = 40_000;

/** Whatever the step is, it leads there when it is acknowledged; when it is refused, nowhere. */
export function leadingTo<T>(home: Home, after: ModelStore, act: () => T): T {
  const { process } = home.owner();
  home.maybe = () => [after];
  try {
    const result = act();
    process.check();
    home.model = after;
    return result;
  } finally {
    // whoever has died knows nothing
    process.check();
    home.maybe = () => [];
  }
}

/** @param code with which it must be refused; undefined: it must be done */
export function expectRefusal(error: unknown, code: ErrorCode | undefined): void {
  const found = error instanceof HelicorderError ? error.code : undefined;
  if (found === code && (found !== undefined || error === undefined)) return;
  throw new Error(`it must end with ${code ?? 'success'}: ${String(error)}`, { cause: error });
}

function attempted(code: ErrorCode | undefined, act: () => unknown): void {
  let refusal: unknown;
  try {
    act();
  } catch (error) {
    if (!(error instanceof HelicorderError)) throw error;
    refusal = error;
  }
  expectRefusal(refusal, code);
}

/** @throws what it was refused with */
function done<T extends Answer['type']>(answer: Answer, type: T) {
  if (answer.type === 'failed') throw errorOf(answer);
  if (answer.type !== type) throw new Error(`answered with ${answer.type}, not ${type}`);
  return answer as Extract<Answer, { type: T }>;
}

/** Now and then none, though there are some. */
function anyStream(history: History, { model }: Home): string | undefined {
  const names = [...model.streams.keys()];
  if (names.length === 0 || history.random.next() < 0.03) return undefined;
  return history.any(names);
}

function open(history: History, home: Home): OpenRun | undefined {
  const stream = history.any(history.streams);
  const writer = history.any(WRITERS[home.name]!);
  const kind = home.model.streams.get(stream)?.kind ?? STREAMS[stream]!;
  const { runs } = home.owner();
  if (kind === 'samples' && runs.some((run) => run.stream === stream)) return undefined;
  const isForeign = home.model.streams.get(stream)?.writers.get(writer) === 'copied';
  const made = home.model.made(stream, history.newId(), kind);
  const after = isForeign ? home.model : made.opened(stream, writer);
  let opened: OpenRun | undefined;
  attempted(isForeign ? 'USAGE' : undefined, () =>
    leadingTo(home, after, () => (opened = opening(home, stream, writer, kind))),
  );
  if (opened === undefined) return undefined;
  for (const run of runs) run.isFenced ||= run.stream === stream && run.writer === writer;
  runs.push(opened);
  return opened;
}

function opening(home: Home, stream: string, writer: string, kind: Kind): OpenRun {
  const connection = home.newConnection();
  const which = { stream, writer, connection, isFenced: false };
  if (kind === 'samples') {
    const sampled = beginSamples(home.owner().writer, stream, writer);
    const { id: run, epoch, nextSeq } = sampled.run;
    return { ...which, run, epoch, nextSeq, sampled };
  }
  const answer = home.ask(connection, { type: 'open', stream, writer });
  const { run, epoch, lastSeq } = done(answer, 'opened');
  return { ...which, run, epoch, nextSeq: lastSeq + 1, sampled: undefined };
}

/** One that is open, of this kind; else one is opened, if chance wills. */
function anyRun(history: History, home: Home, kind: Kind): OpenRun | undefined {
  const isKind = ({ sampled }: OpenRun): boolean =>
    (sampled !== undefined) === (kind === 'samples');
  const runs = home.owner().runs.filter(isKind);
  if (runs.length > 0 && history.random.next() < 0.8) return history.any(runs);
  const opened = open(history, home);
  return opened && isKind(opened) ? opened : undefined;
}

function makeEvents({ random }: History): Uint8Array[] {
  return Array.from({ length: 1 + random.below(5) }, () => {
    const size = random.below(random.next() < 0.1 ? 9000 : 60);
    const start = random.below(NOISE.length - size);
    return Buffer.concat([random.bytes(8), NOISE.subarray(start, start + size)]);
  });
}

function eventRecords(run: OpenRun, events: readonly Uint8Array[]): ModelRecord[] {
  const { writer, epoch, nextSeq } = run;
  return events.map((event, i) => {
    return { writer, key: `${run.run} ${writer} ${epoch} ${nextSeq + i} event ${digest(event)}` };
  });
}

function appendTo(home: Home, run: OpenRun, events: readonly Uint8Array[]): void {
  const { stream, connection } = run;
  const firstOffset = home.model.streams.get(stream)?.records.length;
  const after = run.isFenced ? home.model : home.model.appended(stream, eventRecords(run, events));
  const question = { type: 'append', run: run.run } as const;
  attempted(run.isFenced ? 'FENCED' : undefined, () =>
    leadingTo(home, after, () => {
      const answer = home.ask(connection, question, encodeEventList([...events]));
      const appended = done(answer, 'appended');
      const isRight = appended.firstSeq === run.nextSeq && appended.firstOffset === firstOffset;
      if (!isRight) throw new Error(`appended at ${JSON.stringify(appended)}`);
    }),
  );
  if (!run.isFenced) run.nextSeq += events.length;
}

function sample(history: History, home: Home): boolean {
  const run = anyRun(history, home, 'samples');
  if (run?.sampled === undefined) return false;
  const { writer } = home.owner();
  const { before, run: live } = run.sampled;
  const isSameBoot = before?.bootId === live.bootId;
  const first = (live.lastTick ?? (isSameBoot ? before.lastTick : undefined) ?? 9) + 1;
  const isGap = history.random.next() < 0.2;
  const count = 1 + history.random.below(isGap ? 5 : 30);
  const records = isGap ? [gapRecord(run.sampled)] : sampleRecords(run.sampled, first, count);
  leadingTo(home, home.model.appended(run.stream, records), () => {
    if (isGap) commitGap(writer, run.sampled!, first, count);
    else commitSamples(writer, run.sampled!, first, count);
  });
  return true;
}

function gapRecord({ run: { id, writer, epoch, nextSeq } }: OpenedRun): ModelRecord {
  return { writer, key: `${id} ${writer} ${epoch} ${nextSeq} lost late` };
}

function sampleRecords({ run }: OpenedRun, first: number, count: number): ModelRecord[] {
  const { id, writer, epoch, nextSeq, ordinal } = run;
  return Array.from({ length: count }, (_, i) => {
    const content = `${ordinal + i} ${first + i} ${LATENESS_NANOS} ${(first + i) % 1000}`;
    return { writer, key: `${id} ${writer} ${epoch} ${nextSeq + i} sample ${content}` };
  });
}

/** Until the log goes on in another segment. */
function fill(history: History, home: Home): boolean {
  const run = anyRun(history, home, 'events');
  if (run === undefined || run.isFenced) return false;
  const { writer } = home.owner();
  const before = segmentOf(writer.durableEnd);
  while (segmentOf(writer.durableEnd) === before) {
    const start = history.random.below(NOISE.length - LARGE_BYTES);
    appendTo(home, run, [NOISE.subarray(start, start + LARGE_BYTES)]);
  }
  return true;
}

function endRun(history: History, home: Home): boolean {
  const { runs, service, writer } = home.owner();
  if (runs.length === 0) return false;
  const run = history.any(runs);
  runs.splice(runs.indexOf(run), 1);
  if (run.sampled) {
    const builder = writer.group();
    writer.addRunEnd(builder, run.sampled.run);
    writer.commit(builder);
  } else if (history.random.next() < 0.5) {
    service.gone(run.connection);
    while (service.serve());
  } else {
    const answer = home.ask(run.connection, { type: 'end', run: run.run });
    done(answer, 'done');
  }
  return true;
}

async function trim(history: History, home: Home): Promise<boolean> {
  const name = anyStream(history, home);
  if (name === undefined) return false;
  const { records } = home.model.streams.get(name)!;
  const isAll = history.random.next() < 0.2;
  const lowWater = isAll ? records.length : history.random.below(records.length + 1);
  let payload: Uint8Array | undefined;
  await home.spawn('trimmer', async ({ environment }) => {
    const store = Store.open(home.dir, environment);
    payload = trimEntry.encode(await planTrim(store.reader, store.stream(name).id, lowWater));
    store.close();
  }).finished;
  if (payload === undefined) return false;
  history.tell(`trims ${name} to ${lowWater} of ${records.length}`);
  const ask = () => home.ask(home.newConnection(), { type: 'trim' }, payload);
  leadingTo(home, home.model.trimmed(name, lowWater), () => done(ask(), 'done'));
  return true;
}

function remove(history: History, home: Home): void {
  const stream = anyStream(history, home) ?? 'h/none';
  const { runs } = home.owner();
  const isThere = home.model.streams.has(stream);
  const isRecording = runs.some((run) => run.stream === stream && !run.isFenced);
  const code = isThere ? (isRecording ? 'USAGE' : undefined) : 'NO_SUCH_STREAM';
  const after = code === undefined ? home.model.removed(stream) : home.model;
  attempted(code, () =>
    leadingTo(home, after, () => {
      done(home.ask(home.newConnection(), { type: 'remove', stream }), 'done');
    }),
  );
  if (code !== undefined) return;
  const left = runs.filter((run) => run.stream !== stream);
  runs.splice(0, runs.length, ...left);
}

function setCursor(history: History, home: Home): void {
  const name = history.any(['hand', 'other', 'c1']);
  const stream = anyStream(history, home) ?? 'h/none';
  const known = home.model.streams.get(stream);
  const end = known?.records.length ?? 0;
  const offset = history.random.below(end + 1) + (history.random.next() < 0.1 ? 1 : 0);
  const code = known ? (offset > end ? 'USAGE' : undefined) : 'NO_SUCH_STREAM';
  const cursor = known && { stream: known.id, offset, copy: undefined };
  const after = code === undefined ? home.model.pointed(name, cursor) : home.model;
  attempted(code, () =>
    leadingTo(home, after, () => {
      const question = { type: 'set-cursor', name, stream, offset } as const;
      done(home.ask(home.newConnection(), question), 'done');
    }),
  );
}

function removeCursor(history: History, home: Home): void {
  const name = history.any([...home.model.cursors.keys(), 'none']);
  const code = home.model.cursors.has(name) ? undefined : 'NO_SUCH_CURSOR';
  attempted(code, () =>
    leadingTo(home, home.model.pointed(name, undefined), () => {
      done(home.ask(home.newConnection(), { type: 'remove-cursor', name }), 'done');
    }),
  );
}

function anyRules({ random }: History): RetentionRule[] {
  const dice = random.next();
  if (dice < 0.5) return [];
  if (dice < 0.75) return [{ ...KEEP_ALL, ageMs: 10 ** random.below(5) }];
  return [{ ...KEEP_ALL, bytes: 500 * 8 ** random.below(4) }];
}

/** As many steps as there are to do, or some. */
async function upkeep(history: History, home: Home): Promise<void> {
  const retention = anyRules(history);
  const rules = { budgetBytes: undefined, minFreeBytes: 0, retention };
  for (let left = history.random.below(8); left >= 0; left--) {
    const { process, writer } = home.owner();
    const pause = (): Promise<void> => Promise.resolve(process.check());
    const options = { dataDir: home.dir, ...rules };
    const result = await upkeepStep(options, process.environment, pause);
    history.note(`upkeep: ${result.did}`);
    leadingTo(home, planned(home, result), () => applyUpkeep(writer, result));
    if (result.did === 'nothing') return;
  }
}

/** What goes by age or size is what no cursor waits for. */
function planned(home: Home, result: UpkeepResult): ModelStore {
  let { model } = home;
  if (result.did !== 'planned') return model;
  for (const { stream: id, lowWater } of result.trims) {
    const { name } = home.owner().writer.state.streams.get(id)!;
    const { id: stream } = model.streams.get(name)!;
    for (const [cursor, { offset, stream: of }] of model.cursors) {
      if (of !== stream || offset >= lowWater) continue;
      throw new Error(`${name} is let go of up to ${lowWater}, and ${cursor} waits at ${offset}`);
    }
    model = model.trimmed(name, lowWater);
  }
  return model;
}

/** Chunks go to another directory from now on. */
function movePlace(history: History, home: Home): void {
  const dir = `/place${history.any(['1', '2'])}-${home.name}`;
  home.machine.disk.makeDirectory(dir);
  setChunksDir(home.owner().writer, dir);
}

function append(history: History, home: Home): boolean {
  const run = anyRun(history, home, 'events');
  if (run) appendTo(home, run, makeEvents(history));
  return run !== undefined;
}

type Act = (history: History, home: Home) => Promise<boolean | void> | boolean | void;

function onAny(weight: number, act: Act): HistoryStep {
  return {
    weight,
    take: (history) => {
      const home = history.any(history.homes);
      history.tell(`in store ${home.name}`);
      return act(history, home);
    },
  };
}

export const STORE_STEPS: Readonly<Record<string, HistoryStep>> = {
  open: onAny(4, (history, home) => void open(history, home)),
  append: onAny(24, append),
  sample: onAny(12, sample),
  fill: onAny(6, fill),
  'end of a run': onAny(6, endRun),
  trim: onAny(4, trim),
  remove: onAny(5, remove),
  'set a cursor': onAny(3, setCursor),
  'remove a cursor': onAny(2, removeCursor),
  upkeep: onAny(8, upkeep),
  'slow reading': onAny(8, readOn),
  'another place': onAny(2, movePlace),
  restart: onAny(3, (_, home) => home.close()),
  kill: onAny(2, (_, home) => home.kill()),
};
