/**
 * Exhaustive exploration: every state that a world can reach, breadth first, each once. The first
 * state that breaks a law is shown with the shortest way to it; when all states are known, each
 * must still be able to come to rest without a further fault.
 */
import { native } from '../../../native/index.ts';

export interface Transition<S> {
  label: string;
  state: S;
  /** faults are bounded by the world, and no part of what must come to rest by itself */
  isFault: boolean;
}

export interface World<S> {
  initial: S;
  next(state: S): Transition<S>[];
  /** equal for states that have the same future */
  key(state: S): string;
  /** @returns which law the state breaks */
  check(state: S): string | undefined;
  /** nothing is left to be done */
  isAtRest(state: S): boolean;
}

export interface Exploration {
  states: number;
  transitions: number;
  violation: { what: string; trace: string[] } | undefined;
}

export interface ExploreOptions {
  maxStates?: number;
  /** must every state be able to come to rest? */
  liveness?: boolean;
}

/** @throws if there are more states than allowed: the exploration would prove nothing */
export function explore<S>(world: World<S>, options: ExploreOptions = {}): Exploration {
  const { maxStates = 5_000_000, liveness = true } = options;
  return new Explorer(world, maxStates).run(liveness);
}

class Explorer<S> {
  readonly #world: World<S>;
  readonly #maxStates: number;
  /** by digests of keys: of a million states, two have the same one with a chance of 3 in 10^8 */
  readonly #indexes = new Map<bigint, number>();
  readonly #parents: number[] = [];
  readonly #labels: string[] = [];
  readonly #rests: number[] = [];
  /** pairs of from, to: transitions that are no fault */
  readonly #edges: number[] = [];
  #frontier: { index: number; state: S }[] = [];
  #transitions = 0;

  constructor(world: World<S>, maxStates: number) {
    this.#world = world;
    this.#maxStates = maxStates;
  }

  run(liveness: boolean): Exploration {
    const { initial } = this.#world;
    let violation = this.#add(initial, this.#digest(initial), -1, '');
    while (violation === undefined && this.#frontier.length > 0) {
      const frontier = this.#frontier;
      this.#frontier = [];
      for (const { index, state } of frontier) {
        violation = this.#expand(index, state);
        if (violation) break;
      }
    }
    if (violation === undefined && liveness) violation = this.#findRestless();
    return { states: this.#parents.length, transitions: this.#transitions, violation };
  }

  #digest(state: S): bigint {
    return native.chainDigest(Buffer.from(this.#world.key(state), 'latin1'));
  }

  #expand(index: number, state: S): Exploration['violation'] {
    for (const { label, state: next, isFault } of this.#world.next(state)) {
      this.#transitions++;
      const key = this.#digest(next);
      const known = this.#indexes.get(key);
      if (!isFault) this.#edges.push(index, known ?? this.#parents.length);
      if (known !== undefined) continue;
      const violation = this.#add(next, key, index, label);
      if (violation) return violation;
    }
    return undefined;
  }

  #add(state: S, key: bigint, parent: number, label: string): Exploration['violation'] {
    const index = this.#parents.length;
    if (index >= this.#maxStates) throw new Error(`more than ${this.#maxStates} states`);
    this.#indexes.set(key, index);
    this.#parents.push(parent);
    this.#labels.push(label);
    const what = this.#world.check(state);
    if (what !== undefined) return { what, trace: this.#trace(index) };
    if (this.#world.isAtRest(state)) this.#rests.push(index);
    this.#frontier.push({ index, state });
    return undefined;
  }

  #trace(index: number): string[] {
    const labels: string[] = [];
    for (let at = index; at > 0; at = this.#parents[at]!) labels.push(this.#labels[at]!);
    return labels.reverse();
  }

  /** The first state from which no way without faults leads to rest. */
  #findRestless(): Exploration['violation'] {
    const states = this.#parents.length;
    const starts = new Int32Array(states + 1);
    for (let i = 1; i < this.#edges.length; i += 2) starts[this.#edges[i]! + 1]!++;
    for (let i = 0; i < states; i++) starts[i + 1]! += starts[i]!;
    const sources = new Int32Array(this.#edges.length / 2);
    const filled = starts.slice();
    for (let i = 0; i < this.#edges.length; i += 2) {
      sources[filled[this.#edges[i + 1]!]!++] = this.#edges[i]!;
    }
    const canRest = new Uint8Array(states);
    const stack = [...this.#rests];
    for (const rest of stack) canRest[rest] = 1;
    for (let at = stack.pop(); at !== undefined; at = stack.pop()) {
      for (let i = starts[at]!; i < starts[at + 1]!; i++) {
        const source = sources[i]!;
        if (canRest[source]) continue;
        canRest[source] = 1;
        stack.push(source);
      }
    }
    const restless = canRest.indexOf(0);
    if (restless < 0) return undefined;
    return { what: 'never comes to rest again', trace: this.#trace(restless) };
  }
}
