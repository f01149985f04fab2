/** Which actions of a failpoint are tried: all in the soak, one in `npm test`, by the seed. */
import {
  FAILPOINTS,
  FAILPOINT_ACTIONS,
  type Failpoint,
  type FailpointAction,
} from '../../engine/base/failpoint.ts';
import { SEED } from './random.ts';

export function actionsAt(point: Failpoint): readonly FailpointAction[] {
  if (process.env['HELICORDER_SOAK']) return FAILPOINT_ACTIONS;
  const turn = SEED + FAILPOINTS.indexOf(point);
  return [FAILPOINT_ACTIONS[turn % FAILPOINT_ACTIONS.length]!];
}
