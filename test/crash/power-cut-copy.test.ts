/**
 * The power cut under `stream cp --follow`, again and again: the source lies on one real file
 * system, the target on another of the other kind, each in a file, and a shutdown takes one of them
 * or both at a moment that nobody chose. Behind each cut the target holds what the source holds, up
 * to where it has come, and no less than the cursor in the source says; in the end, everything.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'vitest';
import { Store } from '../../engine/store/store.ts';
import { verify } from '../../engine/tools/verify.ts';
import { helicorder, helicorderOut, nextOwner, type Program } from '../support/cli.ts';
import { COPIED_STREAM, expectSame } from '../support/copies.ts';
import { count } from '../support/counts.ts';
import { recordsOf } from '../support/local-owner.ts';
import { FILE_SYSTEMS, LoopDisk, whyNoLoopDisk } from '../support/loop-disk.ts';
import { SEED, SeededRandom } from '../support/random.ts';
import { skipLoudly } from '../support/skip.ts';

/** Cuts in each direction, and samples a second: fewer where it is about the moments. */
const [CUTS, RATE] = process.env['HELICORDER_SOAK'] ? [100, '1000'] : [5, '200'];
const CURSOR = 'copy';
/** Moments are chosen from it: some transactions come in this time. */
const LIFE_MS = 1000;

const why = whyNoLoopDisk('mkfs.ext4', 'mkfs.xfs', 'xfs_io', 'losetup');
const testOnLoopDisk = skipLoudly(why !== undefined, `power cuts of copies: ${why}`);

async function started(dir: string, words: string[]): Promise<Program> {
  const isThere = nextOwner(dir, 'control');
  const program = helicorder(words);
  await isThere;
  return program;
}

class Copied {
  readonly #disks: readonly [LoopDisk, LoopDisk];
  readonly from: string;
  readonly to: string;
  readonly #random = new SeededRandom(SEED);
  /** so many records were the same on both sides before */
  compared = 0;
  /** it lives on where only the target's disk has gone */
  #recording: Program | undefined;

  constructor(source: LoopDisk, target: LoopDisk) {
    this.#disks = [source, target];
    this.from = join(source.dir, 'store');
    this.to = join(target.dir, 'store');
  }

  get #recorder(): string[] {
    return [
      ...['run', '--data-dir', this.from, '--source', 'synthetic', '--stream', COPIED_STREAM],
      ...['--rate', RATE, '--flush-ms', '5', '--segment-size', '1MiB', '--quiet'],
    ];
  }

  get #copy(): string[] {
    const stores = ['--data-dir', this.from, '--to-data-dir', this.to];
    return ['stream', 'cp', COPIED_STREAM, ...stores, '--cursor', CURSOR, '--quiet'];
  }

  async begin(): Promise<void> {
    mkdirSync(this.to);
    await helicorderOut([...this.#recorder, '--duration', '100ms']);
    await helicorderOut(this.#copy);
  }

  /** Records and copies until a disk goes, or both, and with it who has files there. */
  async liveAndDie(): Promise<void> {
    this.#recording ??= await started(this.from, this.#recorder);
    const copying = await started(this.to, [...this.#copy, '--follow']);
    await sleep(this.#random.next() * LIFE_MS);
    const which = this.#random.below(3);
    const cut = this.#disks.filter((_, i) => which === 2 || which === i);
    for (const disk of cut) disk.cutPower();
    await copying.kill();
    if (which !== 1) await this.#killRecorder();
    for (const disk of cut) {
      disk.unmount();
      disk.mount();
    }
  }

  async finish(): Promise<void> {
    await this.#killRecorder();
    await helicorderOut(this.#copy);
    await expectSame(this.from, this.to, `HELICORDER_SEED=${SEED}`);
  }

  async #killRecorder(): Promise<void> {
    await this.#recording?.kill();
    this.#recording = undefined;
  }

  async check(where: string): Promise<void> {
    const about = `${where}, HELICORDER_SEED=${SEED}`;
    for (const dir of [this.from, this.to]) {
      expect(await verify(dir), about).toMatchObject({ ok: true, damage: [] });
    }
    const [there, here] = [
      await recordsOf(this.from, COPIED_STREAM, this.compared),
      await recordsOf(this.to, COPIED_STREAM, this.compared),
    ];
    expect(here, about).toEqual(there.slice(0, here.length));
    this.compared += here.length;
    const store = Store.open(this.from);
    const { offset } = store.reader.state.cursors.get(CURSOR) ?? {};
    store.close();
    expect(this.compared, about).toBeGreaterThanOrEqual(offset ?? 0);
  }
}

for (const [i, kind] of FILE_SYSTEMS.entries()) {
  const other = FILE_SYSTEMS[1 - i]!;
  testOnLoopDisk(
    `${CUTS} power cuts under a copy from ${kind} to ${other}: 0 records lost, 0 doubled`,
    async () => {
      const copied = new Copied(new LoopDisk(kind), new LoopDisk(other));
      await copied.begin();
      for (let cut = 0; cut < CUTS; cut++) {
        await copied.liveAndDie();
        count('power cuts');
        await copied.check(`${kind} to ${other}, cut ${cut}`);
      }
      expect(copied.compared, 'records were copied').toBeGreaterThan(0);
      await copied.finish();
    },
    60_000 + 30_000 * CUTS,
  );
}
