/** The protocol with one rule taken out, and the faults under which the model must notice. */
import type { Fault } from './copy-world.ts';
import type { Patch } from './rules.ts';

export interface Mutant {
  name: string;
  patch?: Patch;
  target: 'store' | 'two-phase' | 'store that answers before its sync';
  faults: Fault[];
  maxFaults: number;
  /** what it breaks */
  breaks: RegExp;
}

const coordinator = (find: string, replace: string): Patch => ({
  file: 'coordinator',
  find,
  replace,
});
const position = (find: string, replace: string): Patch => ({ file: 'position', find, replace });
const twoPhase = (find: string, replace: string): Patch => ({ file: 'two-phase', find, replace });

const NETWORK: Fault[] = ['network', 'crash'];
const INTEND = "return {\n    state: { ...state, intent, phase: { name: 'intending', intent } },";
const SEQ_CHECK =
  'if (range.hi < held.hi) return rejected;\n  if (range.lo !== held.hi + 1) return rejected;\n  ';
const CHAIN_CHECK = "if (range.before !== held.chain) return { kind: 'DIVERGED' };\n";

const COORDINATOR: Mutant[] = [
  {
    name: 'no intent: what is at the target is compared with the records as they are now',
    patch: coordinator('if (intent && last === intent.range.hi', 'if (!intent && last === -1'),
    target: 'store',
    faults: ['network', 'damage'],
    maxFaults: 2,
    breaks: /false alarm SOURCE_DIVERGED/,
  },
  {
    name: 'the intent is not in the log',
    patch: coordinator(INTEND, `return commit({ ...state, intent }, intent);\n  ${INTEND}`),
    target: 'store',
    faults: ['crash', 'damage'],
    maxFaults: 2,
    breaks: /false alarm SOURCE_DIVERGED/,
  },
  {
    name: 'last < acked is no alarm',
    patch: coordinator('if (last < cursor.acked) return', 'if (last < 0) return'),
    target: 'store',
    faults: ['targetBack'],
    maxFaults: 1,
    breaks: /false alarm SOURCE_DIVERGED|never comes to rest/,
  },
  {
    name: 'no chain: the intent is known by its last seq alone',
    patch: coordinator(
      '=== intent.range.hi && chain === intent.range.chain',
      '=== intent.range.hi',
    ),
    target: 'store',
    faults: ['clone'],
    maxFaults: 1,
    breaks: /nobody knows/,
  },
  {
    name: 'what is ahead of acked is not compared with our own records',
    patch: coordinator("if (own !== chain) return alarm(state, 'SOURCE_DIVERGED');", ''),
    target: 'store',
    faults: ['sourceBack'],
    maxFaults: 1,
    breaks: /nobody knows/,
  },
  {
    name: 'no idle probe',
    patch: coordinator(
      'const isSame = epoch === cursor.epoch &&',
      'const isSame = true || epoch === cursor.epoch &&',
    ),
    target: 'store',
    faults: ['targetBack'],
    maxFaults: 1,
    breaks: /never comes to rest/,
  },
  {
    name: 'an unknown outcome counts as committed',
    patch: coordinator(
      "if (outcome.kind !== 'COMMITTED') return recoverLater(state);",
      "if (outcome.kind === 'FENCED') return recoverLater(state);",
    ),
    target: 'two-phase',
    faults: ['target'],
    maxFaults: 1,
    breaks: /released/,
  },
  {
    name: 'the cursor is written before the commit is answered',
    patch: coordinator(
      "effects: [{ kind: 'commit', epoch, intent }],",
      "effects: [{ kind: 'writeCursor', cursor: { epoch, acked: intent.range.hi, chain: intent.range.chain } }, { kind: 'commit', epoch, intent }],",
    ),
    target: 'store',
    faults: NETWORK,
    maxFaults: 1,
    breaks: /released|false alarm/,
  },
  {
    name: 'a failure is answered by sending again instead of opening',
    patch: coordinator(
      "return expected(phase.name === 'waiting', event) && recover(state);",
      'return idle(state);',
    ),
    target: 'store',
    faults: NETWORK,
    maxFaults: 1,
    breaks: /never comes to rest|answers nothing/,
  },
];

const POSITION: Mutant[] = [
  {
    name: 'no fence: every epoch is taken for the live one',
    patch: position(
      'if (epoch === held.epoch && epoch !== 0) return undefined;',
      'if (epoch >= 0) return undefined;',
    ),
    target: 'store',
    faults: ['network', 'damage'],
    maxFaults: 2,
    breaks: /false alarm SOURCE_DIVERGED/,
  },
  {
    name: 'opening does not issue a new epoch',
    patch: position(
      'return { ...held, epoch: epochOf(epochCounter(held.epoch) + 1, nonce) };',
      'if (held.epoch > 0) return held; return { ...held, epoch: epochOf(1, nonce) };',
    ),
    target: 'store',
    faults: ['network', 'damage'],
    maxFaults: 2,
    breaks: /false alarm SOURCE_DIVERGED/,
  },
  {
    name: 'no seq check, and no fence',
    patch: position(
      "if (refusal) return refusal;\n  const rejected = { kind: 'REJECTED', reason: 'RANGE' } as const;",
      "if (refusal || range.hi !== held.hi) return { kind: 'APPLY' };\n  const rejected = { kind: 'REJECTED', reason: 'RANGE' } as const;",
    ),
    target: 'store',
    faults: ['network'],
    maxFaults: 2,
    breaks: /delivered|only what was judged/,
  },
  {
    name: 'no check of seq and chain, with the fence intact',
    patch: position(SEQ_CHECK + CHAIN_CHECK, ''),
    target: 'store',
    faults: ['targetBack'],
    maxFaults: 1,
    breaks: /delivered|only what was judged/,
  },
  {
    name: 'committing is answered before the sync',
    target: 'store that answers before its sync',
    faults: ['target'],
    maxFaults: 1,
    breaks: /released/,
  },
];

const TWO_PHASE: Mutant[] = [
  {
    name: 'the intended transaction is not driven to an end',
    patch: twoPhase("if (status === 'OPEN') return 'abort';", ''),
    target: 'two-phase',
    faults: NETWORK,
    maxFaults: 1,
    breaks: /delivered/,
  },
  {
    name: 'COMMITTING is taken for an end: the tail is read too early',
    patch: twoPhase("return status === 'COMMITTING' ? 'wait' : 'ended';", "return 'ended';"),
    target: 'two-phase',
    faults: NETWORK,
    maxFaults: 1,
    breaks: /delivered/,
  },
  {
    name: 'the commit does not wait for the intent to be durable',
    patch: coordinator(
      INTEND,
      `const { state: sent, effects } = commit({ ...state, intent }, intent);
      return { state: sent, effects: [{ kind: 'writeIntent', intent }, ...effects] };
      ${INTEND}`,
    ),
    target: 'two-phase',
    faults: ['crash'],
    maxFaults: 1,
    breaks: /delivered/,
  },
  {
    name: 'open() is not told the intent',
    patch: coordinator(
      "const effect = { kind: 'open', intent: state.intent } as const;",
      "const effect = { kind: 'open', intent: undefined } as const;",
    ),
    target: 'two-phase',
    faults: NETWORK,
    maxFaults: 1,
    breaks: /delivered/,
  },
];

export const MUTANTS: readonly Mutant[] = [...COORDINATOR, ...POSITION, ...TWO_PHASE];
