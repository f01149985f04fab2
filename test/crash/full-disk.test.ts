/**
 * A disk that fills up, and is given space again: nothing accepted is lost, everything goes on by
 * itself. The disk is a small tmpfs, which only root may mount.
 */
import { existsSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { MIB } from '../../engine/base/constants.ts';
import type { RecorderStatus, VerifyReport } from '../../engine/tools/types.ts';
import { helicorder, helicorderJson, helicorderOut, type Program } from '../support/cli.ts';
import { SEED, SeededRandom } from '../support/random.ts';
import { checkSamples, parseRecords } from '../support/records.ts';
import { skipLoudly } from '../support/skip.ts';
import { canMount, tmpfs } from '../support/tmpfs.ts';

const DISK_MIB = 24;
const testOnSmallDisk = skipLoudly(!canMount, 'a full disk: only root may mount a tmpfs');

/** More than the disk holds, in lines that no codec makes smaller. */
const LINES = ((random) =>
  Array.from({ length: 60 }, () => Buffer.from(random.bytes(MIB / 8)).toString('base64')))(
  new SeededRandom(SEED),
);

interface SmallDisk {
  dataDir: string;
  config: string;
  /** takes every byte that is left */
  fill: () => void;
  /** makes the disk have room again */
  free: () => void;
}

/** A store of 1 MiB segments on a disk of which all but 1 MiB is taken by another's file. */
async function smallDisk(): Promise<SmallDisk> {
  const disk = tmpfs(DISK_MIB);
  const dataDir = join(disk, 'store');
  const config = join(disk, 'small.yaml');
  const sources = '[{source: synthetic, stream: full/box}]';
  writeFileSync(config, `store: {flush: 20ms, segmentSize: 1MiB}\nsources: ${sources}\n`);
  const words = ['run', '--config', config, '--data-dir', dataDir, '--duration', '100ms'];
  await helicorderOut(words);
  const fillers: string[] = [];
  const take = (leftBytes: number): void => {
    const { bavail, bsize } = statfsSync(disk);
    const filler = join(disk, `filler-${fillers.length}`);
    fillers.push(filler);
    writeWhatFits(filler, new Uint8Array(Math.max(0, bavail * bsize - leftBytes)));
  };
  take(MIB);
  const free = (): void => fillers.forEach((filler) => rmSync(filler));
  return { dataDir, config, fill: () => take(0), free };
}

/** A recorder may take what `statfs` called free before this does: full is what is wanted. */
function writeWhatFits(path: string, bytes: Uint8Array): void {
  try {
    writeFileSync(path, bytes);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
  }
}

/** Writes until there is no space, and the writer has said so. */
async function fillUp(dataDir: string): Promise<Program> {
  const writer = helicorder(['stream', 'write', 'full/lines', '--data-dir', dataDir, '--ack']);
  for (const line of LINES) writer.write(`${line}\n`);
  await writer.stderr.next(isAboutSpace);
  return writer;
}

/** Before it a writer warns of a file system that lives in memory. */
const isAboutSpace = (line: string): boolean => /waiting: .*(space|ENOSPC)/.test(line);

testOnSmallDisk('a writer waits for space, says so, and loses nothing acknowledged', async () => {
  const { dataDir, free } = await smallDisk();
  expect(existsSync(join(dataDir, 'ballast')), 'there is a ballast to let go of').toBe(true);
  const writer = await fillUp(dataDir);
  expect(existsSync(join(dataDir, 'ballast')), 'the ballast was let go of').toBe(false);
  const acknowledged = writer.stdout.all.length - 1;
  expect(acknowledged).toBeGreaterThan(0);
  expect(acknowledged).toBeLessThan(LINES.length);
  const reading = ['stream', 'cat', 'full/lines', '--data-dir', dataDir];
  const readable = (await helicorderOut(reading)).split('\n');
  expect(readable.slice(0, acknowledged)).toEqual(LINES.slice(0, acknowledged));

  free();
  writer.endInput('the end\n');
  const { code, stderr } = await writer.ended;
  expect(code, stderr).toBe(0);
  const seqs = writer.stdout.all.slice(1).map((line) => (JSON.parse(line) as { seq: string }).seq);
  expect(seqs).toEqual([...LINES, 'the end'].map((_, i) => String(i + 1)));
  expect((await helicorderOut(reading)).split('\n')).toEqual([...LINES, 'the end', '']);
  expect(await helicorderJson(['verify', '--data-dir', dataDir])).toMatchObject({ ok: true });
});

const inState =
  (state: RecorderStatus['state']) =>
  (line: string): boolean =>
    (JSON.parse(line) as RecorderStatus).state === state;

const uptimeOf = (line: string): number => (JSON.parse(line) as RecorderStatus).uptimeSeconds;

/** Longer than a ring of 1 kHz holds, by the recorder's own clock. */
const RING_SECONDS = 5;

/**
 * A recorder that has filled the disk: a group of 4 KiB each millisecond does it in seconds.
 * Sealing makes room out of what a store has: the disk is filled until there is none for it.
 */
async function waitingRecorder({ config, dataDir, fill }: SmallDisk): Promise<Program> {
  const words = ['run', '--config', config, '--data-dir', dataDir, '--flush-ms', '1', '--json'];
  const run = helicorder(words);
  const isWaiting = inState('waiting-for-space');
  while (!isWaiting(await run.stdout.next())) fill();
  expect(existsSync(join(dataDir, 'ballast')), 'the ballast was let go of').toBe(false);
  return run;
}

const readingOf = ({ dataDir }: SmallDisk): string[] => [
  ...['stream', 'cat', 'full/box', '--data-dir', dataDir, '--format', 'ndjson-records'],
];

testOnSmallDisk(
  'a recorder waits for space, and what its ring cannot hold is gap(full)',
  async () => {
    const disk = await smallDisk();
    const run = await waitingRecorder(disk);
    const accepted = (await helicorderOut(readingOf(disk))).split('\n').slice(0, -1);
    const since = uptimeOf(run.stdout.all.at(-1)!);
    await run.stdout.next((line) => uptimeOf(line) > since + RING_SECONDS);
    expect(run.stderr.text).toMatch(/no space .*: waiting/);

    disk.free();
    await run.stdout.next(inState('recording'));
    await run.stderr.next((line) => line.includes('there is space again'));
    run.signal('SIGTERM');
    const { code, stderr } = await run.ended;
    expect(code, stderr).toBe(0);

    const kept = (await helicorderOut(readingOf(disk))).split('\n').slice(0, -1);
    expect(kept.slice(0, accepted.length)).toEqual(accepted);
    const records = parseRecords(kept);
    const { samples, gapTicks, scheduled } = checkSamples(records);
    expect(samples + gapTicks).toBe(scheduled);
    const full = records.filter(({ type, reason }) => type === 'gap' && reason === 'full');
    expect(full.length).toBeGreaterThan(0);
    expect(await helicorderJson(['verify', '--data-dir', disk.dataDir])).toMatchObject({
      ok: true,
    });
  },
);

testOnSmallDisk('a recorder killed while it waits has lost nothing accepted', async () => {
  const disk = await smallDisk();
  const run = await waitingRecorder(disk);
  const accepted = (await helicorderOut(readingOf(disk))).split('\n').slice(0, -1);
  await run.kill();
  disk.free();
  const again = ['run', '--config', disk.config, '--data-dir', disk.dataDir, '--duration', '50ms'];
  await helicorderOut(again);
  expect(existsSync(join(disk.dataDir, 'ballast')), 'the ballast is there again').toBe(true);
  const kept = (await helicorderOut(readingOf(disk))).split('\n').slice(0, -1);
  expect(kept.slice(0, accepted.length)).toEqual(accepted);
  const { between } = checkSamples(parseRecords(kept));
  expect(between.at(-1)?.reason).toBe('crash');
  const report = await helicorderJson<VerifyReport>(['verify', '--data-dir', disk.dataDir]);
  expect(report).toMatchObject({ ok: true, damage: [] });
});

/** A disk without one free byte, and a store that has nothing left to let go of. */
async function withoutReserve(disk: SmallDisk): Promise<void> {
  await (await fillUp(disk.dataDir)).kill();
  // upkeep lets go of a catalog for which there is no space
  const catalog = ['catalog.db', 'catalog.db-wal', 'catalog.db-shm'];
  for (const name of ['log/spare-1.seg', ...catalog]) {
    rmSync(join(disk.dataDir, name), { force: true });
  }
  disk.fill();
}

const shortRun = ({ config, dataDir }: SmallDisk): string[] => [
  ...['run', '--config', config, '--data-dir', dataDir, '--duration', '50ms'],
];

testOnSmallDisk('a start on a full disk lives on what is kept in reserve', async () => {
  const disk = await smallDisk();
  disk.fill();
  await helicorderOut(shortRun(disk));
  const records = parseRecords((await helicorderOut(readingOf(disk))).split('\n'));
  expect(checkSamples(records).between.map(({ reason }) => reason)).toEqual(['stopped']);
});

testOnSmallDisk(
  'a start without any waits for space, samples into its ring, and goes on by itself',
  async () => {
    const disk = await smallDisk();
    const before = (await helicorderOut(readingOf(disk))).split('\n').slice(0, -1);
    await withoutReserve(disk);
    const words = ['run', '--config', disk.config, '--data-dir', disk.dataDir, '--json'];
    const run = helicorder(words);
    await run.stdout.next(inState('waiting-for-space'));
    await run.stderr.next((line) => line.includes('no space'));
    await run.stdout.next((line) => uptimeOf(line) > RING_SECONDS);

    disk.free();
    await run.stdout.next(inState('recording'));
    await run.stderr.next((line) => line.includes('there is space again'));
    run.signal('SIGTERM');
    const { code, stderr } = await run.ended;
    expect(code, stderr).toBe(0);

    const kept = (await helicorderOut(readingOf(disk))).split('\n').slice(0, -1);
    expect(kept.slice(0, before.length)).toEqual(before);
    const account = checkSamples(parseRecords(kept));
    expect(account.samples + account.gapTicks).toBe(account.scheduled);
    expect(account.between.map(({ reason }) => reason)).toEqual(['stopped']);
    const gaps = parseRecords(kept).filter(({ reason }) => reason === 'full');
    expect(gaps.length, 'the ring could not hold all of the time').toBeGreaterThan(0);
    const waited = parseRecords(kept).findIndex(({ reason }) => reason === 'full') - before.length;
    expect(waited, 'what was sampled before there was space').toBeGreaterThan(1000);
    expect(await helicorderJson(['verify', '--data-dir', disk.dataDir])).toMatchObject({
      ok: true,
    });
  },
);

testOnSmallDisk('a start that waits for space can be stopped: exit 74', async () => {
  const disk = await smallDisk();
  await withoutReserve(disk);
  const run = helicorder(['run', '--config', disk.config, '--data-dir', disk.dataDir, '--json']);
  await run.stdout.next(inState('waiting-for-space'));
  run.signal('SIGTERM');
  const { code, stderr } = await run.ended;
  expect(code, stderr).toBe(74);
  expect(stderr).toMatch(/no space.*lost/);
  disk.free();
  await helicorderOut(shortRun(disk));
  const records = parseRecords((await helicorderOut(readingOf(disk))).split('\n'));
  expect(checkSamples(records).between.map(({ reason }) => reason)).toEqual(['stopped']);
});

testOnSmallDisk(
  'a writer that finds the disk full when it comes waits for space, too',
  async () => {
    const disk = await smallDisk();
    await withoutReserve(disk);
    const words = ['stream', 'write', 'full/late', '--data-dir', disk.dataDir, '--ack'];
    const writer = helicorder(words);
    writer.endInput('a line\n');
    await writer.stderr.next(isAboutSpace);
    disk.free();
    const { code, stderr } = await writer.ended;
    expect(code, stderr).toBe(0);
    expect(await helicorderOut(['stream', 'cat', 'full/late', '--data-dir', disk.dataDir])).toBe(
      'a line\n',
    );
  },
);

testOnSmallDisk('a reload that waits for space does not hold up the end', async () => {
  const disk = await smallDisk();
  const { config, dataDir, fill } = disk;
  const run = helicorder(['run', '--config', config, '--data-dir', dataDir, '--json']);
  await run.stdout.next();
  rmSync(join(dataDir, 'ballast'));
  fill();
  // what the runs of so many begin with does not fit in what is left of a segment
  const sources = '[{source: synthetic, stream: full/more, count: 2000, rate: 1}]';
  writeFileSync(config, `store: {flush: 20ms, segmentSize: 1MiB}\nsources: ${sources}\n`);
  const reload = helicorder(['reload', '--data-dir', dataDir]);
  await run.stdout.next(inState('waiting-for-space'));
  expect(reload.stdout.text + reload.stderr.text, 'the reload is under way').toBe('');
  run.child.kill('SIGTERM');
  const { code, stderr } = await run.ended;
  expect(code, stderr).toBe(74);
  expect(stderr).toContain('no space');
  expect((await reload.ended).code).not.toBe(0);
});

testOnSmallDisk('a trim on a full disk makes room, and recording goes on by itself', async () => {
  const disk = tmpfs(DISK_MIB);
  const dataDir = join(disk, 'store');
  const configured = (name: string, source: string): string => {
    const config = join(disk, name);
    writeFileSync(config, `store: {flush: 20ms, segmentSize: 1MiB}\nsources: [${source}]\n`);
    return config;
  };
  const noise = '{source: synthetic, stream: full/noise, rate: 20kHz, channels: 16}';
  const at = ['--data-dir', dataDir];
  const filling = ['run', '--config', configured('noise.yaml', noise), ...at];
  await helicorderOut([...filling, '--duration', '10s']);
  const { bavail, bsize } = statfsSync(disk);
  const box = configured('box.yaml', '{source: synthetic, stream: full/box}');
  writeWhatFits(join(disk, 'filler'), new Uint8Array(bavail * bsize));
  rmSync(join(dataDir, 'ballast'), { force: true });
  writeWhatFits(join(disk, 'filler-2'), new Uint8Array(4 * MIB));
  const run = helicorder(['run', '--config', box, ...at, '--json']);
  await run.stdout.next(inState('waiting-for-space'));
  const { lastOffset } = await helicorderJson<{ lastOffset: string }>([
    ...['stream', 'info', 'full/noise', ...at, '--json'],
  ]);
  await helicorderOut(['stream', 'trim', 'full/noise', '--to', lastOffset, '--yes', ...at]);
  await run.stdout.next(inState('recording'));
  run.signal('SIGTERM');
  const { code, stderr } = await run.ended;
  expect(code, stderr).toBe(0);
  expect(await helicorderJson(['verify', ...at])).toMatchObject({ ok: true });
});
