/**
 * The world of the model: one source (or two, once it is cloned), one target, a network between
 * them, and a number of faults that may happen at any moment. Three records are written, and
 * sent in transactions of one or of all that there are.
 *
 * A request that is lost, or whose reply is, or that takes too long, has failed for the copier; one
 * that took too long, or was under way at a crash, may still arrive at any later time: a zombie.
 * A reply to nobody is nothing.
 */
import { EPOCH_NONCE, epochCounter } from '../../../engine/txn/position.ts';
import type { Transition, World } from './explore.ts';
import type { Rules } from './rules.ts';
import { EMPTY_LOG, epochsOf, reached, SideKey, SideModel, type Log, type Side } from './side.ts';
import { DAMAGED, type Request, type TargetModel } from './target.ts';

export const FAULTS = ['network', 'crash', 'target', 'damage', 'sourceBack', 'targetBack', 'clone'];
export type Fault =
  'network' | 'crash' | 'target' | 'damage' | 'sourceBack' | 'targetBack' | 'clone';

export interface CopyState<T> {
  sides: readonly Side[];
  target: T;
  zombies: readonly Request[];
  /** copies made once, to be restored by faults */
  sourceBackup: Log | undefined;
  targetBackup: T | undefined;
  faultsLeft: number;
  /** which kinds have happened: they decide which alarms are right */
  happened: readonly Fault[];
  /** opens so far: makes epochs that were never issued twice */
  nonce: number;
}

export interface CopyOptions {
  faults: readonly Fault[];
  maxFaults: number;
  /** all three records are durable from the beginning; else each becomes so at some moment */
  isComplete?: boolean;
}

export function copyWorld<T>(
  rules: Rules,
  model: TargetModel<T>,
  options: CopyOptions,
): World<CopyState<T>> {
  const world = new CopyWorld(rules, model, options);
  return {
    initial: world.initial(),
    next: (state) => world.next(state),
    key: (state) => world.key(state),
    check: (state) => world.check(state),
    isAtRest: (state) => world.isAtRest(state),
  };
}

const RECORDS = 3;
const VERSION = { first: 1, afterRollBack: 2, ofClone: 5 };

const FULL_LOG: Log = {
  ...EMPTY_LOG,
  contents: Array.from({ length: RECORDS }, () => VERSION.first),
  truth: Array.from({ length: RECORDS }, () => VERSION.first),
};

class CopyWorld<T> {
  readonly #target: TargetModel<T>;
  readonly #side: SideModel;
  readonly #faults: ReadonlySet<Fault>;
  readonly #maxFaults: number;
  readonly #isComplete: boolean;

  constructor(rules: Rules, model: TargetModel<T>, options: CopyOptions) {
    this.#target = model;
    this.#side = new SideModel(rules, model.isTwoPhase);
    this.#faults = new Set(options.faults);
    this.#maxFaults = options.maxFaults;
    this.#isComplete = options.isComplete ?? false;
  }

  initial(): CopyState<T> {
    return {
      sides: [this.#side.start(this.#isComplete ? FULL_LOG : EMPTY_LOG, VERSION.first)],
      target: this.#target.initial,
      zombies: [],
      sourceBackup: undefined,
      targetBackup: undefined,
      faultsLeft: this.#maxFaults,
      happened: [],
      nonce: 1,
    };
  }

  next(state: CopyState<T>): Transition<CopyState<T>>[] {
    const steps = [
      ...state.sides.flatMap((_, index) => this.#sideSteps(state, index)),
      ...this.#targetSteps(state),
      ...this.#backups(state),
    ];
    if (state.faultsLeft === 0) return steps;
    const faults = [
      ...state.sides.flatMap((_, index) => this.#sideFaults(state, index)),
      ...this.#worldFaults(state),
    ];
    return [...steps, ...faults];
  }

  #sideSteps(state: CopyState<T>, index: number): Transition<CopyState<T>>[] {
    const side = state.sides[index]!;
    const steps: Transition<CopyState<T>>[] = [];
    const add = (label: string, next: Side, more: Partial<CopyState<T>> = {}): void => {
      steps.push(
        step(`${index ? 'clone: ' : ''}${label}`, withSide({ ...state, ...more }, index, next)),
      );
    };
    const { contents, truth } = side.log;
    if (truth.length < RECORDS) {
      const log = { ...side.log, contents: [...contents, side.version] };
      add('a record is durable', { ...side, log: { ...log, truth: [...truth, side.version] } });
    }
    if (side.queue.length > 0) {
      add(`${side.queue[0]!.kind} is durable`, this.#side.sync(side));
    }
    if (side.request) {
      const { target, reply } = this.#deliver(state, side.request);
      const nonce = state.nonce + 1;
      if (reply) {
        add(
          `${side.request.kind} arrives`,
          { ...side, request: undefined, reply },
          { target, nonce },
        );
      } else if (target !== state.target) {
        add(`${side.request.kind} begins`, side, { target });
      }
    }
    if (side.reply) add(`reply ${side.reply.kind}`, this.#side.receive(side));
    if (side.copier.phase.name === 'idle') this.#idleSteps(state, side, add);
    return steps;
  }

  /** A probe that finds nothing changes nothing: only the others are followed. */
  #idleSteps(state: CopyState<T>, side: Side, add: (label: string, next: Side) => void): void {
    const { acked } = side.copier.cursor;
    const end = side.log.contents.length;
    for (const hi of new Set([acked + 1, end])) {
      if (hi <= end && hi > acked) add(`sends ${acked + 1}-${hi}`, this.#side.take(side, hi));
    }
    if (acked >= end && !this.#isBelieved(state, side)) {
      add('probes', this.#side.step(side, { kind: 'probe' }));
    }
  }

  #targetSteps(state: CopyState<T>): Transition<CopyState<T>>[] {
    const own = this.#target
      .steps(state.target)
      .map(({ label, target }) => step(label, { ...state, target }));
    const arrivals = state.zombies.map((request, index) => {
      const { target } = this.#deliver(state, request);
      const zombies = state.zombies.filter((_, other) => other !== index);
      return step(`late ${request.kind} arrives`, {
        ...state,
        target,
        zombies,
        nonce: state.nonce + 1,
      });
    });
    return [...own, ...arrivals];
  }

  #deliver(state: CopyState<T>, request: Request): ReturnType<TargetModel<T>['deliver']> {
    return this.#target.deliver(state.target, request, state.nonce % EPOCH_NONCE);
  }

  #backups(state: CopyState<T>): Transition<CopyState<T>>[] {
    const steps: Transition<CopyState<T>>[] = [];
    if (this.#faults.has('sourceBack') && !state.sourceBackup) {
      const sourceBackup = state.sides[0]!.log;
      steps.push(step('source is backed up', { ...state, sourceBackup }));
    }
    if (this.#faults.has('targetBack') && !state.targetBackup) {
      steps.push(step('target is backed up', { ...state, targetBackup: state.target }));
    }
    return steps;
  }

  #sideFaults(state: CopyState<T>, index: number): Transition<CopyState<T>>[] {
    const side = state.sides[index]!;
    if (side.copier.phase.name === 'alarmed') return [];
    const { request, reply, log } = side;
    const faults: Transition<CopyState<T>>[] = [];
    const add = (kind: Fault, label: string, next: Side, zombie?: Request): void => {
      if (!this.#faults.has(kind)) return;
      const zombies = zombie ? [...state.zombies, zombie] : state.zombies;
      faults.push(fault(kind, label, { ...withSide(state, index, next), zombies }));
    };
    const failed = (): Side => this.#side.step(side, { kind: 'failed' });
    if (request) {
      add('network', `${request.kind} is lost`, failed());
      add('network', `${request.kind} takes too long`, failed(), request);
    }
    if (reply) add('network', `reply to ${reply.kind} is lost`, failed());
    add('crash', 'source crashes', this.#side.start(log, side.version), request);
    const sent = Math.max(
      log.cursor.acked,
      side.copier.cursor.acked,
      side.copier.intent?.range.hi ?? 0,
    );
    for (let seq = 1; seq <= Math.min(sent, log.contents.length); seq++) {
      if (log.contents[seq - 1] === DAMAGED) continue;
      const contents = log.contents.map((content, i) => (i === seq - 1 ? DAMAGED : content));
      add('damage', `record ${seq} is damaged`, { ...side, log: { ...log, contents } });
    }
    return faults;
  }

  #worldFaults(state: CopyState<T>): Transition<CopyState<T>>[] {
    const faults: Transition<CopyState<T>>[] = [];
    const [side] = state.sides as [Side];
    if (this.#faults.has('target')) {
      for (const { label, target } of this.#target.faults(state.target)) {
        faults.push(fault('target', label, { ...state, target }));
      }
    }
    if (state.sourceBackup && side.copier.phase.name !== 'alarmed') {
      const version = side.version === VERSION.first ? VERSION.afterRollBack : side.version + 1;
      const back = this.#side.start(state.sourceBackup, version);
      const zombies = side.request ? [...state.zombies, side.request] : state.zombies;
      faults.push(
        fault('sourceBack', 'source is restored', { ...withSide(state, 0, back), zombies }),
      );
    }
    if (state.targetBackup !== undefined) {
      const target = state.targetBackup;
      faults.push(fault('targetBack', 'target is restored', { ...state, target }));
    }
    if (this.#faults.has('clone') && state.sides.length === 1) {
      const clone = this.#side.start(side.log, VERSION.ofClone);
      faults.push(fault('clone', 'source is cloned', { ...state, sides: [side, clone] }));
    }
    return faults;
  }

  /** What the copier knows is what the target has. */
  #isBelieved(state: CopyState<T>, side: Side): boolean {
    const { epoch, last, chain } = this.#target.position(state.target);
    const { cursor } = side.copier;
    return cursor.epoch === epoch && cursor.acked === last && cursor.chain === chain;
  }

  check(state: CopyState<T>): string | undefined {
    const data = this.#target.delivered(state.target);
    const isInOrder = data.every(([seq], index) => seq === index + 1);
    if (!isInOrder) return `delivered ${data.map(([seq]) => seq).join(' ')}`;
    for (const side of state.sides) {
      const broken = this.#checkSide(state, side);
      if (broken) return broken;
    }
    return undefined;
  }

  #checkSide(state: CopyState<T>, side: Side): string | undefined {
    const data = this.#target.delivered(state.target);
    const { phase } = side.copier;
    if (phase.name === 'alarmed') return wrongAlarm(phase.alarm, state.happened);
    const { acked } = side.log.cursor;
    if (acked > data.length && !state.happened.includes('targetBack')) {
      return `released up to ${acked}, delivered ${data.length}`;
    }
    if (phase.name !== 'idle' || !this.#isBelieved(state, side)) return undefined;
    const wrong = data.find(([seq, content]) => {
      return content !== DAMAGED && content !== side.log.truth[seq - 1];
    });
    return wrong && `content ${wrong[1]} was delivered as record ${wrong[0]}, and nobody knows`;
  }

  isAtRest(state: CopyState<T>): boolean {
    return state.sides.every((side) => {
      if (side.copier.phase.name === 'alarmed') return true;
      const isDone = side.copier.cursor.acked === RECORDS && side.queue.length === 0;
      return side.copier.phase.name === 'idle' && isDone && this.#isBelieved(state, side);
    });
  }

  key(state: CopyState<T>): string {
    const { sides, target, zombies, faultsLeft, happened } = state;
    const mayGoBack = faultsLeft > 0;
    const name = this.#epochNames(state, mayGoBack && this.#faults.has('targetBack'));
    const keys = new SideKey(name);
    const { sourceBackup, targetBackup } = state;
    return [
      ...sides.map((side) => keys.side(side)),
      this.#target.key(target, name),
      zombies
        .map((request) => keys.request(request))
        .sort()
        .join(' '),
      mayGoBack && sourceBackup ? logKey(sourceBackup) : '',
      mayGoBack && targetBackup !== undefined ? this.#target.key(targetBackup, name) : '',
      faultsLeft,
      [...happened].sort().join(),
    ].join('|');
  }

  /**
   * Epochs as names that are equal in states with the same future. An epoch older than the
   * target's is fenced whatever it is, unless the target may go back; then they are named by how
   * far they are from the target's, and by their order within one counter.
   */
  #epochNames(state: CopyState<T>, mayGoBack: boolean): (epoch: number) => string {
    const { sides, zombies, target, targetBackup } = state;
    const epochs = [
      ...sides.flatMap(epochsOf),
      ...zombies.flatMap((request) => (request.kind === 'open' ? [] : [request.epoch])),
      ...this.#target.epochs(target),
      ...(mayGoBack && targetBackup !== undefined ? this.#target.epochs(targetBackup) : []),
    ].sort((a, b) => a - b);
    const current = epochCounter(this.#target.epochs(target)[0]!);
    const names = new Map<number, string>();
    let [counter, order] = [-1, 0];
    for (const epoch of epochs) {
      if (names.has(epoch)) continue;
      order = epochCounter(epoch) === counter ? order + 1 : 0;
      counter = epochCounter(epoch);
      const isOld = counter < current && !mayGoBack;
      names.set(epoch, isOld ? 'o' : `${counter - current}.${order}`);
    }
    return (epoch) => names.get(epoch) ?? 'o';
  }
}

function logKey({ contents, truth, cursor, intent }: Log): string {
  const range = intent && `${intent.range.lo}-${intent.range.hi},${intent.range.chain}`;
  return `${contents.join('')};${truth.join('')};${reached(cursor)};${intent?.txn}:${range}`;
}

/** An alarm is right only after what it speaks of. */
function wrongAlarm(alarm: string, happened: readonly Fault[]): string | undefined {
  const causes: Fault[] = alarm === 'TARGET_ROLLED_BACK' ? ['targetBack'] : ['sourceBack', 'clone'];
  return causes.some((cause) => happened.includes(cause)) ? undefined : `false alarm ${alarm}`;
}

function step<S>(label: string, state: S): Transition<S> {
  return { label, state, isFault: false };
}

function withSide<T>(state: CopyState<T>, index: number, side: Side): CopyState<T> {
  return { ...state, sides: state.sides.map((one, i) => (i === index ? side : one)) };
}

function fault<T>(kind: Fault, label: string, state: CopyState<T>): Transition<CopyState<T>> {
  const happened = state.happened.includes(kind) ? state.happened : [...state.happened, kind];
  const faultsLeft = state.faultsLeft - 1;
  return { label: `FAULT ${label}`, state: { ...state, faultsLeft, happened }, isFault: true };
}
