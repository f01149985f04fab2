/**
 * `examples/rolling-rms.ts` as a user would run it, and the recorder beside it, one of them killed
 * −9 at a random moment, again and again. In the end its stream is, record by record, what one
 * computes from the input at leisure: while the recorder was dead the program owned the store.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { Store } from '../../engine/store/store.ts';
import { Program, helicorder, helicorderJson, helicorderOut } from '../support/cli.ts';
import { count } from '../support/counts.ts';
import { SEED, SeededRandom, repeats } from '../support/random.ts';
import { text } from '../support/stores.ts';
import { userPackage } from '../support/user-package.ts';

const INPUT = 'crash/shaft';
const OUTPUT = `${INPUT}-rms`;
const KILLS = repeats(100);
/** Between two kills the input grows by at most so many records, or so long nothing is awaited. */
const [MOST_RECORDS, MOST_MS] = [1500, 300];
const LOOK_MS = 50;
const TIMEOUT_MS = 60_000 + 10_000 * KILLS;
const [BLOCK, BLOCKS] = [100, 10];

/** What the program should have written, from all samples and gaps of the input at once. */
async function computed(dataDir: string): Promise<string[]> {
  const store = Store.open(dataDir);
  const lines: string[] = [];
  const squares: number[] = [];
  /** how many samples there were before each gap */
  const gaps: number[] = [];
  for await (const item of store.read(INPUT)) {
    if (item.kind === 'gap') gaps.push(squares.length);
    if (item.kind !== 'samples') continue;
    const { schema } = item.info;
    if (schema.kind !== 'samples') throw new Error('samples are expected');
    const { scale, offset } = schema.channels[0]!;
    gaps.push(...item.batch.gaps.map(({ samplesBefore }) => squares.length + samplesBefore));
    item.batch.columns[0]!.forEach((raw: number | bigint, i: number) => {
      squares.push((Number(raw) * scale + offset) ** 2);
      const first = squares.length - BLOCK * BLOCKS;
      if (first < 0 || first % BLOCK !== 0) return;
      const among = gaps.filter((before) => before >= first && before < squares.length).length;
      lines.push(line(item.batch.timeNanos[i]!, squares.slice(first), among));
    });
  }
  store.close();
  return lines;
}

/** Sums in the order of the program's, so that not one bit of a double may differ. */
function line(timeNanos: bigint, squares: readonly number[], gaps: number): string {
  let sum = 0;
  for (let first = 0; first < squares.length; first += BLOCK) {
    sum += squares.slice(first, first + BLOCK).reduce((total, square) => total + square, 0);
  }
  const rms = Math.sqrt(sum / squares.length);
  return `{"TimestampNanos":${timeNanos},"Rms":${rms},"Gaps":${gaps}}`;
}

async function written(dataDir: string): Promise<string[]> {
  const store = Store.open(dataDir);
  const lines: string[] = [];
  for await (const item of store.read(OUTPUT)) {
    if (item.kind !== 'events') throw new Error(`${item.kind} in ${OUTPUT}`);
    lines.push(...item.events.map(text));
  }
  store.close();
  return lines;
}

/** Resolves once the input has so many records more than now: the recorder has begun again. */
async function grown(dataDir: string, records: number): Promise<void> {
  const end = (): number => {
    const store = Store.open(dataDir);
    const { nextOffset } = store.stream(INPUT);
    store.close();
    return nextOffset;
  };
  for (const wanted = end() + records; end() < wanted;) await sleep(LOOK_MS);
}

test(
  `${KILLS} kills of a program and of the recorder beside it: its stream is what the input gives`,
  async () => {
    const dir = userPackage('rolling-rms');
    const dataDir = `${dir}/store`;
    const random = new SeededRandom(SEED);
    const record = (...more: string[]): string[] => [
      ...['run', '--data-dir', dataDir, '--source', 'synthetic', '--stream', INPUT, '--quiet'],
      ...['--rate', '2000', '--flush-ms', '20', ...more],
    ];
    // the one that is never the victim lives as long as the test
    const lifeMs = TIMEOUT_MS;
    // where the program was faster to own the store, it makes room
    const recorder = (): Program => helicorder(record(), { lifeMs });
    const program = (mode = '--follow'): Program =>
      new Program(process.execPath, ['rolling-rms.js', dataDir, INPUT, mode], { cwd: dir, lifeMs });
    await helicorderOut(record('--duration', '100ms'));
    const actors: Program[] = [];
    actors.push(program(), recorder());
    for (let kill = 0; kill < KILLS; kill++) {
      // now and then one of them dies while it, or the other one, starts
      if (random.below(4) > 0) await grown(dataDir, random.below(MOST_RECORDS));
      await sleep(random.next() * MOST_MS);
      const victim = random.below(3) === 0 ? 1 : 0;
      const { code, signal, stderr } = await actors[victim]!.kill();
      expect(signal, `actor ${victim} ended by itself with ${code}: ${stderr}`).toBe('SIGKILL');
      actors[victim] = [program, recorder][victim]!();
      count('kills');
    }
    await grown(dataDir, MOST_RECORDS);
    for (const actor of actors) actor.signal('SIGTERM');
    for (const actor of actors) {
      const { code, signal, stderr } = await actor.ended;
      // while it starts it has no way yet to end well
      if (signal !== 'SIGTERM') expect(code, stderr).toBe(0);
    }
    for (const turn of ['the rest', 'nothing more']) {
      const { code, stderr } = await program('--once').ended;
      expect(code, `${turn}: ${stderr}`).toBe(0);
    }

    const [all, lines] = [await computed(dataDir), await written(dataDir)];
    expect(all.length).toBeGreaterThan(10);
    const first = all.findIndex((expected, i) => expected !== lines[i]);
    const where = `HELICORDER_SEED=${SEED}: event ${first} of ${all.length}, ${lines.length}`;
    expect([lines[first], where]).toEqual([all[first], where]);
    expect(lines.length).toBe(all.length);
    expect(await helicorderJson(['verify', '--data-dir', dataDir])).toMatchObject({ ok: true });
  },
  TIMEOUT_MS,
);
