/**
 * The kill loop: a recorder and a producer that writes through it, or the producer as the store's
 * owner, killed −9 at random moments, in either order.
 */
import type { Child } from './child.ts';
import { BOX, gapTicksOf, type Lab, type StepResult } from './lab.ts';
import { LINES, Pen } from './pen.ts';
import { promised } from './promise.ts';

const LEAST_ROUNDS = 3;
const LINES_PER_LIFE = 300;
const PADDING_BYTES = 400;
const LONG_PADDING_BYTES = 20_000;
/** How long those who are to be killed go on after the last acknowledgement waited for. */
const MOMENT_MS = 30;
const STORE = { flush: '20ms', segmentSize: '1MiB' };

export async function killLoop(lab: Lab): Promise<StepResult> {
  const dir = `${lab.dir}/kill`;
  const config = lab.configure('kill', STORE, { rate: 1000, channels: 3 });
  const pen = new Pen(lab, dir);
  const kills = { recorder: 0, writer: 0 };
  let accepted = 0;
  for (let round = 0; round < LEAST_ROUNDS || lab.hasTime(); round++) {
    // the first store is made by a recorder, with segments of its configuration
    const withRecorder = round === 0 || lab.chance.below(3) > 0;
    const recorder = withRecorder ? await lab.startRecorder(config, dir) : undefined;
    accepted = await life(lab, dir, pen, accepted);
    kills.recorder += withRecorder ? 1 : 0;
    kills.writer += 1;
    await killBoth(lab, recorder, pen);
    lab.progress(`${kills.recorder + kills.writer} kills, ${pen.acknowledged} acknowledged`);
  }
  const recorder = await lab.startRecorder(config, dir);
  await pen.open();
  await pen.close();
  await recorder.stop();
  return account(lab, dir, pen, accepted, kills);
}

/** @returns samples and gaps that a reader has seen accepted before the kill */
async function life(lab: Lab, dir: string, pen: Pen, before: number): Promise<number> {
  const { chance } = lab;
  await pen.open();
  for (let i = 0; i < LINES_PER_LIFE; i++) {
    pen.send(chance.below(chance.below(40) === 0 ? LONG_PADDING_BYTES : PADDING_BYTES));
  }
  await pen.waitFor(chance.below(LINES_PER_LIFE));
  await lab.pause(chance.next() * MOMENT_MS);
  const accepted = lab.acceptedRecords(dir, BOX);
  promised(accepted >= before, () => lostSamples(before, accepted));
  return accepted;
}

async function killBoth(lab: Lab, recorder: Child | undefined, pen: Pen): Promise<void> {
  if (lab.chance.below(2) === 0) await recorder?.kill();
  await pen.kill();
  await recorder?.kill();
}

async function account(
  lab: Lab,
  dir: string,
  pen: Pen,
  accepted: number,
  kills: { recorder: number; writer: number },
): Promise<StepResult> {
  const events = await pen.check();
  const { streams } = await lab.verified(dir);
  const [box, lines] = [BOX, LINES].map((name) => streams.find((one) => one.name === name));
  promised(box !== undefined && lines !== undefined, () => 'a stream is missing');
  const there = Number(box!.records);
  promised(there >= accepted, () => lostSamples(accepted, there));
  const reasons = box!.gaps.map(({ reason, ticks }) => `${reason} ${ticks ?? 'unknown'}`);
  const total = kills.recorder + kills.writer;
  return {
    found: [
      `${total} kills −9 (recorder ${kills.recorder}, writer ${kills.writer})`,
      `${pen.acknowledged} acknowledged events are there, each once, in order (${events} in all)`,
      `${box!.ticksScheduled} ticks = ${box!.samples} samples + ${gapTicksOf(box!)} in gaps ` +
        `(${reasons.join(', ') || 'none'})`,
    ],
    counts: { kills: total, acknowledged: pen.acknowledged, samples: Number(box!.samples) },
  };
}

function lostSamples(before: number, after: number): string {
  return `${before} records of ${BOX} were accepted, and only ${after} are there`;
}
