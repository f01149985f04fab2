/** Less memory than a program needs, by a control group of its own: for root. */
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { errnoCode } from '../../engine/base/errors.ts';

const STEP_BYTES = 2 ** 20;

/** Where groups are made whose memory can be limited, and how: versions 1 and 2. */
const HIERARCHIES = [
  {
    root: '/sys/fs/cgroup/memory',
    kills: 'memory.oom_control',
    // it is refused what it cannot hold at once: so it gets the least that it can, and grows
    tighten: (dir: string): void => {
      const usage = Number(readFileSync(join(dir, 'memory.usage_in_bytes'), 'utf8'));
      try {
        for (let bytes = usage; bytes > 0; bytes -= STEP_BYTES) {
          writeFileSync(join(dir, 'memory.limit_in_bytes'), String(bytes));
        }
      } catch (error) {
        if (errnoCode(error) !== 'EBUSY') throw error;
      }
    },
  },
  {
    root: '/sys/fs/cgroup',
    kills: 'memory.events',
    tighten: (dir: string): void => writeFileSync(join(dir, 'memory.max'), String(STEP_BYTES)),
  },
];

export interface MemoryGroup {
  /** a command whose process, and what it becomes, is in the group from its beginning on */
  readonly entered: readonly string[];
  /** Less than it needs: the kernel kills what does not fit, now or when it next wants some. */
  tighten(): void;
  /** of its processes, how many the kernel has killed for want of memory */
  kills(): number;
}

/** @throws the system's error where that cannot be */
function makeGroup(name: string): MemoryGroup & { dir: string } {
  const found = HIERARCHIES.find(({ root }) => existsSync(join(root, 'cgroup.procs')));
  if (found === undefined) throw new Error('there are no control groups');
  const dir = join(found.root, name);
  mkdirSync(dir);
  return {
    dir,
    entered: ['sh', '-c', `echo $$ > ${join(dir, 'cgroup.procs')} && exec "$@"`, 'sh'],
    tighten: () => found.tighten(dir),
    kills: () => {
      const text = readFileSync(join(dir, found.kills), 'utf8');
      return Number(/^oom_kill (\d+)$/m.exec(text)?.[1] ?? 0);
    },
  };
}

/** Whether that can be done here, found out by doing it. */
export const canLimitMemory = ((): boolean => {
  let dir: string | undefined;
  try {
    const group = makeGroup(`helicorder-memory-probe-${process.pid}`);
    dir = group.dir;
    group.tighten();
    group.kills();
    return true;
  } catch {
    return false;
  } finally {
    if (dir !== undefined) rmdirSync(dir);
  }
})();

let groups = 0;

/** Gone when the test has finished; its processes must have ended by then. */
export function memoryGroup(): MemoryGroup {
  const group = makeGroup(`helicorder-memory-${process.pid}-${++groups}`);
  onTestFinished(() => {
    for (let tries = 0; tries < 100 && existsSync(group.dir); tries++) {
      try {
        rmdirSync(group.dir);
      } catch {
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20);
      }
    }
  });
  return group;
}
