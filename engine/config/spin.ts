/** How long a sampling thread may poll the clock: never so long that it does not sleep. */
import { periodOf } from '../base/period.ts';
import { driverOf } from '../drivers/registry.ts';
import { formatDuration } from './units.ts';

interface Sampled {
  name: string;
  /** kind of the driver */
  driver: string;
  rateHz: number;
}

/**
 * What is wrong with `spin` for one of these sources; undefined: nothing. A thread of SCHED_FIFO
 * that never sleeps is held up by the kernel (sched(7), sched_rt_runtime_us), and holds up all
 * below it, so it is to sleep for more than half of its period. Only native threads spin.
 */
export function spinProblem(spinNanos: number, sources: readonly Sampled[]): string | undefined {
  const tooFast = sources.find(
    ({ driver, rateHz }) =>
      driverOf(driver).bus === 'native' && BigInt(2 * spinNanos) >= periodOf(rateHz),
  );
  if (spinNanos === 0 || tooFast === undefined) return undefined;
  const [spin, period] = [BigInt(spinNanos), periodOf(tooFast.rateHz)].map(formatDuration);
  return (
    `${spin} must be less than half the period of every source, and ` +
    `${tooFast.name} has a rate of ${tooFast.rateHz} Hz: a period of ${period}`
  );
}
