/** Copies between the stores of a history, and within one of them. */
import { HelicorderError, type ErrorCode } from '../../engine/base/errors.ts';
import { SourceStore } from '../../engine/targets/source-store.ts';
import { StoreParticipant } from '../../engine/targets/store-participant.ts';
import { StoreSource } from '../../engine/targets/store-source.ts';
import { Copier } from '../../engine/txn/copier.ts';
import type { Kind, ModelCopy, ModelStore } from './history-model.ts';
import { isSampled, planOf, type Begun, type Copy } from './history-plan.ts';
import { STREAMS, expectRefusal } from './history-steps.ts';
import type { Seen } from './history-view.ts';
import type { History, HistoryStep } from './history.ts';
import { timerOf } from './copy-actors.ts';
import { ProcessDied, type Process } from './world.ts';

/** In this time a copy between sound stores has come to its end, whoever dies once. */
const END_MS = 600_000;
/** Of source and target together. */
const RECORDS_MAX = 400;

function anyCopy(history: History): Copy {
  const { random } = history;
  const source = history.any(history.homes);
  const target = history.any(history.homes);
  const there = [...source.model.streams.keys()];
  const isThere = there.length > 0 && random.next() < 0.97;
  const from = history.any(isThere ? there : history.streams);
  const isKind = (name: string): boolean => STREAMS[name] === STREAMS[from];
  const others = history.streams.filter((name) => source !== target || name !== from);
  const to = history.any(
    random.next() < 0.95 && others.some(isKind) ? others.filter(isKind) : others,
  );
  const own = `${from}-${to}-${target.name}`.replaceAll('/', '.');
  const { length = 0 } = source.model.streams.get(from)?.records ?? [];
  return {
    ...{ source, target, from, to },
    cursor: random.next() < 0.8 ? own : history.any(['c1', 'c2']),
    begin: random.next() < 0.85 ? undefined : random.below(length + 2),
    batchRecords: [1, 7, 10_000][random.below(3)]!,
  };
}

/** The models of a copy's stores, when the target has `sent` of what was left. */
class Stage {
  readonly #copy: Copy;
  readonly #begun: Begun;
  readonly #kind: Kind;
  readonly #stream: number;
  readonly #id: number;

  constructor(copy: Copy, begun: Begun, id: number) {
    const { id: stream, kind } = copy.source.model.streams.get(copy.from)!;
    [this.#copy, this.#begun, this.#kind, this.#stream] = [copy, begun, kind, stream];
    this.#id = id;
  }

  target(sent: number): (model: ModelStore) => ModelStore {
    const { to } = this.#copy;
    const { copy, held, left } = this.#begun;
    return (model) =>
      model.made(to, this.#id, this.#kind).copied(to, { ...copy, sent: held }, left.slice(0, sent));
  }

  /** @param acked records that the cursor knows of */
  cursor(acked: number): (model: ModelStore) => ModelStore {
    const { copy, held, left } = this.#begun;
    const known = [...this.#begun.acked, ...held.slice(this.#begun.acked.length), ...left];
    const state = { ...copy, sent: known.slice(0, acked), isHalted: false };
    return this.#pointed(state, copy.base + acked);
  }

  /** Where somebody has to look, before it goes on as another copy. */
  halted(): (model: ModelStore) => ModelStore {
    const base = this.#begun.copy.base + this.#begun.acked.length;
    return this.#pointed({ source: `renewed ${this.#id}`, base, sent: [], isHalted: true }, base);
  }

  #pointed(state: ModelCopy & { isHalted: boolean }, offset: number) {
    const { cursor, to } = this.#copy;
    const stream = this.#stream;
    return (model: ModelStore) => model.pointed(cursor, { stream, offset, copy: { ...state, to } });
  }
}

type Change = (model: ModelStore) => ModelStore;

const same: Change = (model) => model;

/** What of a copy may have happened, when somebody has died on the way. */
function expectAnything(copy: Copy, begun: Begun, stage: Stage): void {
  const { source, target, to, cursor } = copy;
  const sent = ({ streams }: Seen): number =>
    (streams.get(to)?.records.length ?? 0) - (target.model.streams.get(to)?.records.length ?? 0);
  const inTarget = (seen: Seen): Change[] => {
    const count = sent(seen);
    return count < 0 || count > begun.left.length ? [] : [stage.target(count)];
  };
  const inSource = (seen: Seen): Change[] => {
    const acked = (seen.cursors.get(cursor)?.offset ?? NaN) - begun.copy.base;
    const isIn = acked >= begun.acked.length && acked <= begun.held.length + begun.left.length;
    return [...(isIn ? [stage.cursor(acked)] : []), ...(begun.mayDiverge ? [stage.halted()] : [])];
  };
  if (source === target) {
    const all = (seen: Seen): Change[] =>
      [same, ...inTarget(seen)].flatMap((first) =>
        [same, ...inSource(seen)].map((second) => (model: ModelStore) => second(first(model))),
      );
    source.maybe = (seen) => all(seen).map((change) => change(source.model));
    return;
  }
  source.maybe = (seen) => inSource(seen).map((change) => change(source.model));
  target.maybe = (seen) => inTarget(seen).map((change) => change(target.model));
}

/** Whatever it ended with: what must be there now. */
async function conclude(
  { source, target, to, cursor }: Copy,
  { acked, held, left, isNew, isRefused }: Begun,
  stage: Stage,
  { code, hasDied }: { code: ErrorCode | undefined; hasDied: boolean },
): Promise<void> {
  const before = target.model.streams.get(to)?.records.length ?? 0;
  const there = (await target.look()).streams.get(to)?.records.length ?? 0;
  // of what it refuses in the end, the target may have taken the beginning
  const sent =
    code === undefined ? left.length : Math.max(0, Math.min(there - before, left.length));
  if (!isRefused) target.model = stage.target(sent)(target.model);
  if (code === 'TARGET_ROLLED_BACK') return;
  if (code === 'SOURCE_DIVERGED') {
    source.model = stage.halted()(source.model);
    return;
  }
  const end = isRefused ? acked.length : held.length + sent;
  const isTakenBack = code !== undefined && isNew && end === 0;
  // a courtesy: an owner that has died has not done it
  const isLeft = isTakenBack && hasDied && (await source.look()).cursors.has(cursor);
  if (!isTakenBack || isLeft) source.model = stage.cursor(end)(source.model);
}

async function copy(history: History): Promise<boolean> {
  const what = anyCopy(history);
  const { source, target, from, to, cursor, begin } = what;
  if (isTooMuch(what)) return false;
  history.tell(`copies ${source.name} ${from} to ${target.name} ${to} by ${cursor} from ${begin}`);
  const [owner] = [source.owner(), target.owner()];
  // what samples the target would die with its owner, and be in nobody's way from then on
  if (isSampled(what) && history.world.onChange) return false;
  const { code: planned, begun } = planOf(what);
  const stage = begun && new Stage(what, begun, history.newId());
  if (begun) expectAnything(what, begun, stage!);
  const error = await copied(history, what);
  const isDivergence = begun?.mayDiverge === true && codeOf(error) === 'SOURCE_DIVERGED';
  const code = isDivergence ? 'SOURCE_DIVERGED' : planned;
  expectRefusal(error, code);
  history.note(`copy: ${code ?? 'done'}`);
  for (const home of [source, target]) home.maybe = () => [];
  const hasDied = !owner.process.isAlive;
  if (begun) await conclude(what, begun, stage!, { code, hasDied });
  for (const home of [source, target]) await home.check(false);
  return true;
}

/** To and fro, records would double with each copy. */
function isTooMuch({ source, target, from, to }: Copy): boolean {
  const [here, there] = [source.model.streams.get(from), target.model.streams.get(to)];
  return (here?.records.length ?? 0) + (there?.records.length ?? 0) > RECORDS_MAX;
}

function codeOf(error: unknown): ErrorCode | undefined {
  return error instanceof HelicorderError ? error.code : undefined;
}

/** @returns what it ended with. @throws ProcessDied if it was on the machine that lost its power */
async function copied({ world }: History, what: Copy): Promise<unknown> {
  let error: unknown;
  let isOver = false;
  const copier = what.source.spawn('copier', async (process) => {
    try {
      await copying(process, what);
    } catch (cause) {
      process.check();
      error = cause;
    }
    isOver = true;
  });
  await Promise.race([copier.finished, world.sleep(END_MS)]);
  if (copier.isAlive) throw new Error('the copy does not come to an end');
  if (!isOver) throw new ProcessDied('copier');
  return error;
}

async function copying(process: Process, what: Copy): Promise<void> {
  const { source, target, from, to, cursor, begin, batchRecords } = what;
  const reader = new SourceStore(source.dir, source.link(process), process.environment);
  try {
    const store = new StoreSource({ store: reader, stream: from, to, cursor, from: begin });
    const participant = new StoreParticipant(target.link(process), {
      stream: to,
      ...store.shape(),
    });
    await store.open(new AbortController().signal);
    const until = await store.end();
    const pace = { timer: timerOf(process), random: process.random };
    await new Copier(store, participant, { batchRecords, until, ...pace }).run();
  } finally {
    reader.close();
  }
}

export const COPY_STEPS: Readonly<Record<string, HistoryStep>> = {
  copy: { weight: 20, take: copy },
};
