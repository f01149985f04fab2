/**
 * A target with transactions of their own (Pravega): it knows nothing of seqs, aborts what is not
 * committed in time, makes a commit visible only some time after it is irrevocable, and forgets.
 * Its participant follows `engine/txn/two-phase.ts`.
 */
import type { Range } from '../../../engine/txn/participant.ts';
import type { EndedStatus, TransactionStatus } from '../../../engine/txn/two-phase.ts';
import type { Rules } from './rules.ts';
import { modelChain, type Change, type Delivered, type Reply, type TargetModel } from './target.ts';
import type { Request } from './target.ts';

interface Transaction {
  id: string;
  status: TransactionStatus;
  range: Range;
  contents: number[];
}

export interface TwoPhaseTarget {
  epoch: number;
  nextId: number;
  transactions: readonly Transaction[];
  data: readonly Delivered[];
}

type Answer = { target: TwoPhaseTarget; reply: Reply | undefined };

export function twoPhaseTarget(rules: Rules): TargetModel<TwoPhaseTarget> {
  const behaviour = new Behaviour(rules);
  return {
    initial: { epoch: 0, nextId: 1, transactions: [], data: [] },
    isTwoPhase: true,
    deliver: (target, request, nonce) => behaviour.deliver(target, request, nonce),
    delivered: ({ data }) => data,
    position: (target) => ({ epoch: target.epoch, ...tailOf(target) }),
    steps: finishes,
    faults: (target) => [...leases(target), ...forgets(target)],
    epochs: ({ epoch }) => [epoch],
    key: ({ epoch, nextId, transactions, data }, name) => {
      const list = transactions.map(({ id, status, range, contents }) =>
        [id, status, range.lo, range.hi, contents.join('')].join(','),
      );
      return `${name(epoch)};${nextId};${list.join(' ')};${data.join(' ')}`;
    },
  };
}

function tailOf({ data }: TwoPhaseTarget): { last: number; chain: bigint } {
  const chain = modelChain(
    0n,
    data.map(([, content]) => content),
  );
  return { last: data.at(-1)?.[0] ?? 0, chain };
}

function statusOf({ transactions }: TwoPhaseTarget, id: string | undefined): TransactionStatus {
  return transactions.find((one) => one.id === id)?.status ?? 'UNKNOWN';
}

function withStatus(target: TwoPhaseTarget, id: string, status: TransactionStatus): TwoPhaseTarget {
  const transactions = target.transactions.map((one) => (one.id === id ? { ...one, status } : one));
  return { ...target, transactions };
}

/** What is irrevocable becomes visible. */
function finishes(target: TwoPhaseTarget): Change<TwoPhaseTarget>[] {
  return target.transactions
    .filter(({ status }) => status === 'COMMITTING')
    .map(({ id, range, contents }) => {
      const records = contents.map((content, i): Delivered => [range.lo + i, content]);
      const done = withStatus(target, id, 'COMMITTED');
      return { label: `${id} is visible`, target: { ...done, data: [...done.data, ...records] } };
    });
}

function leases(target: TwoPhaseTarget): Change<TwoPhaseTarget>[] {
  return target.transactions
    .filter(({ status }) => status === 'OPEN')
    .map(({ id }) => ({ label: `lease of ${id} ends`, target: withStatus(target, id, 'ABORTED') }));
}

function forgets(target: TwoPhaseTarget): Change<TwoPhaseTarget>[] {
  return target.transactions
    .filter(({ status }) => status === 'COMMITTED' || status === 'ABORTED')
    .map(({ id }) => {
      const transactions = target.transactions.filter((one) => one.id !== id);
      return { label: `${id} is forgotten`, target: { ...target, transactions } };
    });
}

class Behaviour {
  readonly #rules: Rules;

  constructor(rules: Rules) {
    this.#rules = rules;
  }

  deliver(target: TwoPhaseTarget, request: Request, nonce: number): Answer {
    switch (request.kind) {
      case 'open':
        return this.#open(target, request, nonce);
      case 'send': {
        if (request.epoch !== target.epoch) return { target, reply: { kind: 'refused' } };
        const { range, contents } = request;
        const id = `t${target.nextId}`;
        const transaction = { id, status: 'OPEN', range, contents } as const;
        const transactions = [...target.transactions, transaction];
        const next = { ...target, transactions, nextId: target.nextId + 1 };
        return { target: next, reply: { kind: 'sent', txn: id } };
      }
      case 'commit':
        return this.#commit(target, request.intent.txn!);
      case 'probe':
        if (request.epoch !== target.epoch) return { target, reply: { kind: 'refused' } };
        return {
          target,
          reply: { kind: 'probed', position: { epoch: target.epoch, ...tailOf(target) } },
        };
    }
  }

  #open(target: TwoPhaseTarget, request: Request & { kind: 'open' }, nonce: number): Answer {
    const { driveToEnd, positionAfter } = this.#rules.twoPhase;
    const { openPosition, NEVER_OPENED } = this.#rules.position;
    const { intent } = request;
    const { epoch } = openPosition({ ...NEVER_OPENED, epoch: target.epoch }, nonce);
    let next = { ...target, epoch };
    const todo = driveToEnd(statusOf(target, intent?.txn));
    if (todo === 'wait') return { target, reply: undefined };
    if (todo === 'abort') next = withStatus(next, intent!.txn!, 'ABORTED');
    const { last, chain } = tailOf(next);
    const tail =
      last === 0 ? ({ kind: 'empty' } as const) : ({ kind: 'record', last, chain } as const);
    const ended = statusOf(next, intent?.txn) as EndedStatus;
    const position = positionAfter(intent, ended, tail);
    if (position === undefined) return { target: next, reply: { kind: 'markerGone' } };
    return { target: next, reply: { kind: 'opened', position: { epoch, ...position } } };
  }

  #commit(target: TwoPhaseTarget, id: string): Answer {
    const status = statusOf(target, id);
    if (status === 'OPEN')
      return { target: withStatus(target, id, 'COMMITTING'), reply: undefined };
    if (status === 'COMMITTING') return { target, reply: undefined };
    return { target, reply: { kind: 'answered', outcome: { kind: status } } };
  }
}
