/**
 * A store that has spent its budget and may drop nothing: it waits, takes no more than it may, and
 * goes on once it is given more; a kill −9 while it waits costs nothing.
 */
import { MIB } from '../base/constants.ts';
import { BOX, gapTicksOf, type Lab, type StepResult } from './lab.ts';
import { Pen } from './pen.ts';
import { promised } from './promise.ts';

const BUDGET_MIB = 16;
const LARGER_MIB = 96;
const SEGMENT_MIB = 1;
/** Beyond its budget a store has two segments in reserve. */
const RESERVE_SEGMENTS = 2;
const PADDING_BYTES = 128 * 1024;
/** More than the budget holds. */
const EVENTS = ((BUDGET_MIB + 8) * MIB) / PADDING_BYTES;
const WAIT_MS = 500;

export async function fullBudget(lab: Lab): Promise<StepResult> {
  const dir = `${lab.dir}/full`;
  const pen = new Pen(lab, dir);
  const most = await fillUp(lab, dir, pen);
  const accepted = pen.acknowledged;
  lab.progress(`waiting for space, ${accepted} acknowledged; given more`);
  const recorder = await lab.startRecorder(configOf(lab, LARGER_MIB), dir);
  const known = await pen.open();
  for (let seq = known + 1; seq <= EVENTS; seq++) pen.send(PADDING_BYTES);
  await pen.close();
  await recorder.stop();
  await pen.check();
  const { streams } = await lab.verified(dir);
  const box = streams.find(({ name }) => name === BOX);
  promised(box !== undefined, () => `${BOX} is missing`);
  return {
    found: [
      `full at ${accepted} acknowledged events and ${(most / MIB).toFixed(1)} MiB of a budget of ` +
        `${BUDGET_MIB} MiB (and ${RESERVE_SEGMENTS} segments); killed −9 while it waited`,
      `with ${LARGER_MIB} MiB it went on by itself: ${pen.acknowledged} events, each once; ` +
        `${box!.ticksScheduled} ticks = ${box!.samples} samples + ${gapTicksOf(box!)} in gaps`,
    ],
    counts: { kills: 2, acknowledged: pen.acknowledged, samples: Number(box!.samples) },
  };
}

/** @returns the most that the store has taken of the disk, bytes */
async function fillUp(lab: Lab, dir: string, pen: Pen): Promise<number> {
  const { fs } = lab.environment;
  const recorder = await lab.startRecorder(configOf(lab, BUDGET_MIB), dir);
  await pen.open();
  for (let i = 0; i < EVENTS; i++) pen.send(PADDING_BYTES);
  let most = 0;
  const look = async (): Promise<void> => {
    await pen.takeWaiting();
    most = Math.max(most, fs.diskUse(dir));
    lab.progress(`${pen.acknowledged} acknowledged, ${(most / MIB).toFixed(1)} MiB`);
  };
  await lab.waitForStatus(recorder, dir, async ({ state }) => {
    await look();
    return state === 'waiting-for-space';
  });
  await lab.pause(WAIT_MS);
  await look();
  const limit = (BUDGET_MIB + RESERVE_SEGMENTS * SEGMENT_MIB) * MIB;
  promised(
    most <= limit,
    () => `the store took ${most} bytes, beyond budget and reserve: ${limit}`,
  );
  await pen.check();
  await recorder.kill();
  await pen.kill();
  return most;
}

function configOf(lab: Lab, budgetMib: number): string {
  const store = {
    flush: '20ms',
    segmentSize: `${SEGMENT_MIB}MiB`,
    budget: { bytes: `${budgetMib}MiB` },
  };
  return lab.configure(`full-${budgetMib}`, store);
}
