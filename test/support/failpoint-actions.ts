/**
 * Tests of the table of edges (`engine/base/failpoint.ts`): who dies at which of them, and which
 * actions are tried there: all in the soak, one in `npm test`, by the seed.
 */
import {
  EDGES,
  FAILPOINT_ACTIONS,
  STEPS,
  type Failpoint,
  type FailpointAction,
  type Victim,
} from '../../engine/base/failpoint.ts';
import { SEED } from './random.ts';

export interface EdgeTest {
  /** of the nine, by number and name */
  step: string;
  point: Failpoint;
}

/** For `test.each`, in the order of the steps. */
export function edgesOf(...victims: Victim[]): EdgeTest[] {
  return EDGES.filter(({ of }) => victims.includes(of)).map(({ step, point }) => ({
    step: step === 'inside' ? STEPS[step] : `step ${step}, ${STEPS[step]}`,
    point,
  }));
}

export function actionsAt(point: Failpoint): readonly FailpointAction[] {
  if (process.env['HELICORDER_SOAK']) return FAILPOINT_ACTIONS;
  const turn = SEED + EDGES.findIndex((edge) => edge.point === point);
  return [FAILPOINT_ACTIONS[turn % FAILPOINT_ACTIONS.length]!];
}
