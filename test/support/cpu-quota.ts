/** Less processor than a program wants, by a control group of its own: for root. */
import { existsSync, mkdirSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';

const PERIOD_MICROS = 100_000;

/** Where groups are made whose processor time can be limited, and how: versions 1 and 2. */
const HIERARCHIES = [
  {
    root: '/sys/fs/cgroup/cpu',
    limit: (dir: string, quotaMicros: number): void => {
      writeFileSync(join(dir, 'cpu.cfs_period_us'), String(PERIOD_MICROS));
      writeFileSync(join(dir, 'cpu.cfs_quota_us'), String(quotaMicros));
    },
  },
  {
    root: '/sys/fs/cgroup',
    limit: (dir: string, quotaMicros: number): void =>
      writeFileSync(join(dir, 'cpu.max'), `${quotaMicros} ${PERIOD_MICROS}`),
  },
];

/** A group that gets `share` of one processor. @throws the system's error where that cannot be */
function makeGroup(name: string, share: number): string {
  let failure: unknown = new Error('there are no control groups');
  for (const { root, limit } of HIERARCHIES.filter(({ root }) => existsSync(root))) {
    const dir = join(root, name);
    try {
      mkdirSync(dir);
      limit(dir, Math.round(share * PERIOD_MICROS));
      return dir;
    } catch (error) {
      failure = error;
      if (existsSync(dir)) rmdirSync(dir);
    }
  }
  throw failure;
}

/** Whether that can be done here, found out by doing it. */
export const canLimitCpu = ((): boolean => {
  try {
    rmdirSync(makeGroup(`helicorder-probe-${process.pid}`, 0.5));
    return true;
  } catch {
    return false;
  }
})();

/** From now on the process gets at most `share` of one processor. It must have ended by the end. */
export function limitCpu(pid: number, share: number): void {
  const dir = makeGroup(`helicorder-test-${pid}`, share);
  // a group goes once it is empty: whoever is still in it is being killed
  onTestFinished(() => {
    for (let tries = 0; tries < 100 && existsSync(dir); tries++) {
      try {
        rmdirSync(dir);
      } catch {
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20);
      }
    }
  });
  writeFileSync(join(dir, 'cgroup.procs'), String(pid));
}
