/**
 * One source of the model: its log, what it has written that is not durable yet, and the copier,
 * which runs the production transitions. What needs nobody else (back-off, recomputing, handing
 * data to a store's connection) happens at once; what is left to wait for is a reply, a durable
 * intent or new records.
 */
import type { CoordinatorState, Cursor, Effect, Event } from '../../../engine/txn/coordinator.ts';
import type { Intent, Range } from '../../../engine/txn/participant.ts';
import type { Rules } from './rules.ts';
import { modelChain, type Reply, type Request } from './target.ts';

export interface Log {
  /** what can be read of each record: its content, or DAMAGED */
  contents: readonly number[];
  /** what each record was */
  truth: readonly number[];
  cursor: Cursor;
  intent: Intent | undefined;
}

export type Entry =
  { kind: 'cursor'; cursor: Cursor } | { kind: 'intent'; intent: Intent; isAwaited: boolean };

export interface Side {
  log: Log;
  /** written, not yet durable, in order */
  queue: readonly Entry[];
  copier: CoordinatorState;
  /** the contents of the transaction in flight */
  sending: number[];
  /** what the copier waits for: one of these, or records, or a durable intent */
  request: Request | undefined;
  reply: Reply | undefined;
  /** content of the records it will write */
  version: number;
}

export const EMPTY_LOG: Log = {
  contents: [],
  truth: [],
  cursor: { epoch: 0, acked: 0, chain: 0n },
  intent: undefined,
};

export class SideModel {
  readonly #rules: Rules;
  readonly #isTwoPhase: boolean;

  constructor(rules: Rules, isTwoPhase: boolean) {
    this.#rules = rules;
    this.#isTwoPhase = isTwoPhase;
  }

  /** A copier begins from what is durable. */
  start(log: Log, version: number): Side {
    const { beginCoordination } = this.#rules.coordinator;
    const copier = beginCoordination(log.cursor, log.intent);
    const side = { log, queue: [], copier, sending: [], version };
    return this.step({ ...side, request: undefined, reply: undefined }, { kind: 'start' });
  }

  step(side: Side, event: Event): Side {
    const { state, effects } = this.#rules.coordinator.step(side.copier, event);
    let next: Side = { ...side, copier: state, request: undefined, reply: undefined };
    for (const effect of effects) next = this.#perform(next, effect);
    return next;
  }

  /** The reply has come. */
  receive(side: Side): Side {
    const reply = side.reply!;
    switch (reply.kind) {
      case 'opened': {
        const outcome = { kind: 'OPENED', ...reply.position } as const;
        return this.step(side, { kind: 'opened', outcome, end: side.log.contents.length });
      }
      case 'markerGone':
        return this.step(side, {
          kind: 'opened',
          outcome: { kind: 'MARKER_GONE' },
          end: side.log.contents.length,
        });
      case 'refused':
        return this.step(side, { kind: 'failed' });
      default:
        return this.step(side, reply);
    }
  }

  /** The oldest entry that is not durable becomes so. */
  sync(side: Side): Side {
    const [entry, ...queue] = side.queue;
    if (entry!.kind === 'cursor') {
      return { ...side, queue, log: { ...side.log, cursor: entry!.cursor, intent: undefined } };
    }
    const { intent, isAwaited } = entry!;
    const next = { ...side, queue, log: { ...side.log, intent } };
    const isWaiting = isAwaited && next.copier.phase.name === 'intending';
    return isWaiting ? this.step(next, { kind: 'intentDurable' }) : next;
  }

  /** Reads the records lo to hi, whatever has become of them, and sends them. */
  take(side: Side, hi: number): Side {
    const { acked, chain } = side.copier.cursor;
    const sending = side.log.contents.slice(acked, hi);
    const range: Range = {
      lo: acked + 1,
      hi,
      count: hi - acked,
      before: chain,
      chain: modelChain(chain, sending),
    };
    return this.step({ ...side, sending }, { kind: 'records', range });
  }

  #perform(side: Side, effect: Effect): Side {
    switch (effect.kind) {
      case 'writeCursor':
        return { ...side, queue: withCursor(side.queue, effect.cursor) };
      case 'open':
        return { ...side, request: { kind: 'open', intent: effect.intent } };
      case 'recompute': {
        const { lo, hi, chain } = effect;
        const own = side.log.contents.slice(lo - 1, hi);
        return this.step(side, { kind: 'recomputed', chain: modelChain(chain, own) });
      }
      case 'send': {
        if (!this.#isTwoPhase) return this.step(side, { kind: 'sent', txn: undefined });
        const { epoch, range } = effect;
        return { ...side, request: { kind: 'send', epoch, range, contents: side.sending } };
      }
      case 'writeIntent': {
        const entry = { kind: 'intent', intent: effect.intent, isAwaited: true } as const;
        return { ...side, queue: [...side.queue, entry] };
      }
      case 'commit': {
        const { epoch, intent } = effect;
        return { ...side, request: { kind: 'commit', epoch, intent, contents: side.sending } };
      }
      case 'probe':
        return { ...side, request: { kind: 'probe', epoch: effect.epoch } };
      case 'wait':
        return this.step(side, { kind: 'waited' });
      case 'idle':
      case 'alarm':
        return side;
    }
  }
}

/** A cursor behind an equal one changes nothing when it becomes durable. */
function withCursor(queue: readonly Entry[], cursor: Cursor): readonly Entry[] {
  const last = queue.at(-1);
  const isSame = last?.kind === 'cursor' && reached(last.cursor) === reached(cursor);
  return isSame ? queue : [...queue, { kind: 'cursor', cursor }];
}

/** Phases in which a copier has no epoch: open() will give it one. The log's is never used. */
const ASKS: ReadonlySet<string> = new Set(['new', 'opening', 'waiting']);

export function reached({ acked, chain }: Cursor): string {
  return `${acked},${chain}`;
}

/** Requests, entries and states as text, with epochs as the world names them. */
export class SideKey {
  readonly #name: (epoch: number) => string;

  constructor(name: (epoch: number) => string) {
    this.#name = name;
  }

  side(side: Side): string {
    const { log, queue, copier, sending, request, reply, version } = side;
    const entries = queue.map((entry) =>
      entry.kind === 'cursor' ? reached(entry.cursor) : `i${this.#intent(entry.intent)}`,
    );
    return [
      log.contents.join(''),
      log.truth.join(''),
      reached(log.cursor),
      this.#intent(log.intent),
      entries.join(' '),
      copier.phase.name,
      ASKS.has(copier.phase.name) ? '' : this.#name(copier.cursor.epoch),
      reached(copier.cursor),
      this.#intent(copier.intent),
      sending.join(''),
      request ? this.request(request) : '',
      reply ? this.#reply(reply) : '',
      version,
    ].join(';');
  }

  request(request: Request): string {
    switch (request.kind) {
      case 'open':
        return `o${this.#intent(request.intent)}`;
      case 'probe':
        return `p${this.#name(request.epoch)}`;
      case 'send':
        return `s${this.#name(request.epoch)},${range(request.range)},${request.contents.join('')}`;
      case 'commit': {
        const { epoch, intent, contents } = request;
        return `c${this.#name(epoch)},${this.#intent(intent)},${contents.join('')}`;
      }
    }
  }

  #reply(reply: Reply): string {
    switch (reply.kind) {
      case 'opened':
      case 'probed': {
        const { epoch, last, chain } = reply.position;
        return `${reply.kind}${this.#name(epoch)},${last},${chain}`;
      }
      case 'answered':
        return reply.outcome.kind;
      case 'sent':
        return reply.txn;
      default:
        return reply.kind;
    }
  }

  #intent(intent: Intent | undefined): string {
    return intent ? `${intent.txn ?? ''}:${range(intent.range)}` : '-';
  }
}

function range({ lo, hi, chain }: Range): string {
  return `${lo}-${hi},${chain}`;
}

/** Those that its future may depend on. */
export function epochsOf({ copier, request, reply }: Side): number[] {
  const epochs = ASKS.has(copier.phase.name) ? [] : [copier.cursor.epoch];
  if (request && request.kind !== 'open') epochs.push(request.epoch);
  if (reply?.kind === 'opened' || reply?.kind === 'probed') epochs.push(reply.position.epoch);
  return epochs;
}
