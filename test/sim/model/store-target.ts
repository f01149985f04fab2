/** A store, a server: position and data in one atom, by the rules of `engine/txn/position.ts`. */
import type { HeldPosition } from '../../../engine/txn/position.ts';
import type { Rules } from './rules.ts';
import type { Change, Delivered, Reply, Request, TargetModel } from './target.ts';

interface Durable {
  held: HeldPosition;
  data: readonly Delivered[];
}

export interface StoreTarget extends Durable {
  /** what a crash leaves; only of a store that answers before its sync (a mutant) */
  synced: Durable | undefined;
}

export interface StoreOptions {
  answersBeforeSync?: boolean;
}

export function storeTarget(rules: Rules, options: StoreOptions = {}): TargetModel<StoreTarget> {
  const { openPosition, judgeCommit, judgeEpoch, applyCommit, positionOf } = rules.position;
  const { NEVER_OPENED } = rules.position;
  const after = (target: StoreTarget, durable: Durable): StoreTarget => {
    if (!options.answersBeforeSync) return { ...durable, synced: undefined };
    const { held, data } = target.synced ?? target;
    return { ...durable, synced: { held, data } };
  };
  const deliver = (
    target: StoreTarget,
    request: Request,
    nonce: number,
  ): { target: StoreTarget; reply: Reply } => {
    const { held, data } = target;
    switch (request.kind) {
      case 'open': {
        const opened = openPosition(held, nonce);
        const position = positionOf(opened);
        return {
          target: after(target, { held: opened, data }),
          reply: { kind: 'opened', position },
        };
      }
      case 'commit': {
        const verdict = judgeCommit(held, request.epoch, request.intent.range);
        if (verdict.kind !== 'APPLY')
          return { target, reply: { kind: 'answered', outcome: verdict } };
        const { range } = request.intent;
        const records = request.contents.map((content, i): Delivered => [range.lo + i, content]);
        const durable = {
          held: applyCommit(held, range, data.length),
          data: [...data, ...records],
        };
        return {
          target: after(target, durable),
          reply: { kind: 'answered', outcome: { kind: 'COMMITTED' } },
        };
      }
      case 'probe':
        if (judgeEpoch(held, request.epoch)) return { target, reply: { kind: 'refused' } };
        return { target, reply: { kind: 'probed', position: positionOf(held) } };
      case 'send':
        throw new Error('a store takes data with the commit');
    }
  };
  return {
    initial: { held: NEVER_OPENED, data: [], synced: undefined },
    isTwoPhase: false,
    deliver,
    delivered: ({ data }) => data,
    position: ({ held }) => positionOf(held),
    steps: (target): Change<StoreTarget>[] =>
      target.synced ? [{ label: 'target syncs', target: { ...target, synced: undefined } }] : [],
    faults: ({ synced }): Change<StoreTarget>[] =>
      synced ? [{ label: 'target crashes', target: { ...synced, synced: undefined } }] : [],
    epochs: ({ held, synced }) => [held.epoch, ...(synced ? [synced.held.epoch] : [])],
    key: keyOf,
  };
}

function keyOf({ held, data, synced }: StoreTarget, name: (epoch: number) => string): string {
  const part = (one: Durable): string => {
    const { epoch, lo, hi, chain } = one.held;
    return `${name(epoch)},${lo},${hi},${chain},${one.data.join(' ')}`;
  };
  return part({ held, data }) + (synced ? `/${part(synced)}` : '');
}
