/**
 * A power cut in the middle of a write, made by hand: a group that nobody was told of is cut at a
 * sector's boundary, and what the disk had there before, zeros or noise, stands behind it.
 */
import { usingFile } from '../files/using-file.ts';
import { Store } from '../store/store.ts';
import { storePaths } from '../store/log/files.ts';
import { offsetOf, segmentOf, type Lsn } from '../store/entries/format.ts';
import { segmentPath } from '../store/log/segment.ts';
import type { Lab, StepResult } from './lab.ts';
import { Pen } from './pen.ts';
import { promised } from './promise.ts';

const ROUNDS = 5;
const SECTOR_BYTES = 512;
const PADDING_BYTES = 500;
const TORN_MIN_BYTES = 4_000;
const TORN_MAX_BYTES = 100_000;

export async function tornTail(lab: Lab): Promise<StepResult> {
  const dir = `${lab.dir}/torn`;
  const pen = new Pen(lab, dir);
  await pen.open();
  for (let round = 0; round < ROUNDS; round++) {
    await tearLast(lab, dir, pen);
    const { tornTails } = await lab.verified(dir);
    promised(tornTails.length > 0, () => 'verify does not tell of the torn write');
    const durable = pen.lastDurable;
    const found = await pen.open();
    promised(
      found === durable,
      () => `event ${durable} was the last whole one; with a torn write behind it, ${found} is`,
    );
    lab.progress(`${round + 1} torn writes, ${pen.acknowledged} acknowledged`);
  }
  await pen.close();
  await pen.check();
  await lab.verified(dir);
  return {
    found: [
      `${ROUNDS} writes torn at a sector: none counted by half, ` +
        `${pen.acknowledged} acknowledged events before and behind them are there`,
    ],
    counts: { tornWrites: ROUNDS, acknowledged: pen.acknowledged },
  };
}

/** Some acknowledged events, and a large one that is torn as if nobody had been told of it. */
async function tearLast(lab: Lab, dir: string, pen: Pen): Promise<void> {
  const { chance, environment } = lab;
  const { fs } = environment;
  const { mark } = storePaths(dir);
  for (let i = chance.below(20); i >= 0; i--) pen.send(chance.below(PADDING_BYTES));
  await pen.waitForAll();
  const before = fs.readFile(mark);
  const begin = endOf(lab, dir);
  const bytes = TORN_MIN_BYTES + chance.below(TORN_MAX_BYTES - TORN_MIN_BYTES);
  pen.send(bytes);
  await pen.waitForAll();
  await pen.kill();
  pen.forgetLast();
  // the mark of a machine that lost its power in that moment does not know of the group
  fs.writeFileDurably(mark, before);
  const written = 1 + chance.below(Math.floor(bytes / SECTOR_BYTES) - 1);
  tear(lab, dir, begin, written * SECTOR_BYTES, bytes);
}

function endOf({ environment }: Lab, dir: string): Lsn {
  const store = Store.open(dir, environment);
  try {
    return store.reader.end;
  } finally {
    store.close();
  }
}

/** What is before `written` has reached the disk, the rest of the event's bytes has not. */
function tear(lab: Lab, dir: string, begin: Lsn, written: number, bytes: number): void {
  const { chance, environment } = lab;
  const path = segmentPath(storePaths(dir).log, segmentOf(begin));
  const lost = bytes - written;
  const rest = chance.below(2) === 0 ? new Uint8Array(lost) : chance.bytes(lost);
  usingFile(environment.fs, path, 'write', (file) => {
    file.write(rest, offsetOf(begin) + written);
    file.sync();
  });
}
