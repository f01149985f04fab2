/**
 * How long a durable write takes on this disk, in both ways that a store knows, and whether the
 * syncs look like some.
 *
 * What can be seen from here, and no more:
 *   1. Does the file system pass syncs on? A disk that says of itself that its cache forgets
 *      (`queue/write_cache`: write back) has to be told to flush for each fdatasync; the kernel
 *      counts what it has told it (`Documentation/block/stat.rst`).
 *   2. Is the disk faster than it can be? A block that is written durably, one after the other,
 *      waits for one turn of a platter; the fastest that were sold turn 15,000 times a minute, once
 *      in 4 ms. Flash takes longer to program a page than 50 µs (data sheets: about 200 µs for
 *      SLC, more for others, 75 µs for the fastest of its kind). What answers sooner is a cache; if
 *      it forgets, the sync was none, if it has power of its own, all is well: hence `suspicious`.
 * A virtual or stacked disk says nothing of the real one below: `cannot tell`.
 */
import { BLOCK_BYTES, KIB, MIB } from '../base/constants.ts';
import { ioError } from '../base/errors.ts';
import type { BlockDevice } from '../files/block-device.ts';
import { blockDevice } from '../files/block-device.ts';
import type { FileSystemFacts } from '../files/file-system.ts';
import type { StoreEnvironment } from '../store/store.ts';
import { Phases } from '../tools/tune-measure.ts';
import type { Percentiles } from '../tools/types.ts';
import type { SyncReport } from './types.ts';

const FILE_BYTES = 16 * MIB;
const SIZES = [BLOCK_BYTES, 64 * KIB];
/** Writes of one kind: as many as this, or as many as this time holds. */
const WRITES = 1000;
const PHASE_MS = 1500;
const FASTEST_TURN_MICROS = 4000;
const FASTEST_PROGRAM_MICROS = 50;

/** What is known of a disk before it is judged. */
export interface SyncFacts {
  fileSystem: Pick<FileSystemFacts, 'type' | 'warning'>;
  device: Pick<BlockDevice, 'name' | 'kind' | 'writeCache'> | undefined;
  flushes: { syncs: number; flushes: number } | undefined;
  /** of one block, written and fdatasync'ed */
  fdatasyncP50Micros: number;
}

/** @param dir exists. @throws HelicorderError STORE_IO, NO_SPACE; the signal's reason */
export async function measureSync(
  dir: string,
  environment: StoreEnvironment,
  signal?: AbortSignal,
): Promise<SyncReport> {
  try {
    return await measure(dir, environment, signal);
  } catch (error) {
    signal?.throwIfAborted();
    throw ioError(error, 'cannot measure', dir);
  }
}

async function measure(
  dir: string,
  environment: StoreEnvironment,
  signal?: AbortSignal,
): Promise<SyncReport> {
  const { fs } = environment;
  const device = blockDevice(dir);
  const phases = new Phases(environment, signal);
  const micros: SyncReport['micros'] = [];
  let flushes: SyncFacts['flushes'];
  const isDirect = fs.probeDirect(dir);
  for (const bytes of SIZES) {
    const direct = isDirect ? (await write(dir, environment, phases, bytes, true)).micros : null;
    const flushesBefore = device?.flushes();
    const buffered = await write(dir, environment, phases, bytes, false);
    micros.push({ bytes, direct, fdatasync: buffered.micros });
    const flushesAfter = device?.flushes();
    if (flushesBefore === undefined || flushesAfter === undefined) continue;
    flushes ??= { syncs: buffered.times, flushes: flushesAfter - flushesBefore };
  }
  const fileSystem = fs.info(dir);
  const fdatasyncP50Micros = micros[0]!.fdatasync.p50;
  return {
    ...judge({ fileSystem, device, flushes, fdatasyncP50Micros }),
    fileSystem: fileSystem.type,
    device: device?.name ?? null,
    writeCache: device?.writeCache ?? null,
    flushes: flushes ? { syncs: String(flushes.syncs), flushes: String(flushes.flushes) } : null,
    micros,
  };
}

/** Into a file of zeros, as the log is: the file's growth is not what is measured. */
async function write(
  dir: string,
  { fs }: StoreEnvironment,
  phases: Phases,
  bytes: number,
  isDirect: boolean,
): Promise<{ micros: Percentiles; times: number }> {
  const path = `${dir}/sync`;
  const file = fs.openDurable(path, isDirect);
  try {
    fs.remove(path);
    const zeros = fs.alignedBuffer(MIB);
    await phases.repeat(FILE_BYTES / MIB, Infinity, (i) => file.write(zeros, i * MIB));
    const block = fs.alignedBuffer(bytes).fill(0xa5);
    const places = FILE_BYTES / bytes;
    let times = 0;
    const { micros } = await phases.repeat(WRITES, PHASE_MS, (i) => {
      file.write(block, (i % places) * bytes);
      times++;
    });
    return { micros, times };
  } finally {
    file.close();
  }
}

/** The verdict, and the sentences that it rests upon. */
export function judge(facts: SyncFacts): Pick<SyncReport, 'verdict' | 'reasons'> {
  const { fileSystem, device, flushes } = facts;
  if (fileSystem.type === 'tmpfs' || fileSystem.type === 'ramfs') {
    return { verdict: 'suspicious', reasons: [`${fileSystem.type} ${String(fileSystem.warning)}`] };
  }
  if (device === undefined) {
    const why = fileSystem.warning ?? `no one disk lies below ${fileSystem.type}`;
    return { verdict: 'cannot tell', reasons: [why] };
  }
  const forgets = device.writeCache === 'write back';
  if (forgets && flushes && flushes.flushes < flushes.syncs / 2) {
    const { syncs, flushes: told } = flushes;
    const reason =
      `${device.name} says that its cache forgets (write back), and of ${syncs} syncs ` +
      `${told} were passed on to it: mounted without barriers?`;
    return { verdict: 'suspicious', reasons: [reason] };
  }
  const reasons = [passedOn(device, flushes)];
  if (device.kind === 'virtual' || device.kind === 'stacked') {
    return { verdict: 'cannot tell', reasons: [...reasons, belowIt(device)] };
  }
  const tooFast = fasterThanItCanBe(device, facts.fdatasyncP50Micros);
  if (tooFast !== undefined) return { verdict: 'suspicious', reasons: [...reasons, tooFast] };
  if (device.writeCache === undefined) return { verdict: 'cannot tell', reasons };
  return { verdict: 'looks honest', reasons: [...reasons, 'no faster than it can be'] };
}

function passedOn(
  { name, writeCache }: NonNullable<SyncFacts['device']>,
  flushes: SyncFacts['flushes'],
): string {
  if (writeCache === undefined) return `the kernel does not say what cache ${name} has`;
  if (writeCache === 'write through') return `${name} says that it has no cache that forgets`;
  if (flushes === undefined) return `${name} says that its cache forgets; flushes are not counted`;
  return (
    `${name} says that its cache forgets (write back), and was told to flush ` +
    `${flushes.flushes} times for ${flushes.syncs} syncs`
  );
}

function belowIt({ name, kind }: NonNullable<SyncFacts['device']>): string {
  return kind === 'virtual'
    ? `${name} is a virtual disk: what its host does with a flush cannot be seen from here`
    : `${name} lies on other disks: what they do with a flush cannot be seen from here`;
}

/** The sentence, if it is. */
function fasterThanItCanBe(
  { name, kind, writeCache }: NonNullable<SyncFacts['device']>,
  p50Micros: number,
): string | undefined {
  const micros = Math.round(p50Micros);
  if (kind === 'rotating' && p50Micros < FASTEST_TURN_MICROS) {
    return (
      `${name} turns, and made a block durable in ${micros} µs (p50): the fastest platter needs ` +
      `${FASTEST_TURN_MICROS} µs for a turn. A cache answered; only one with power of its own is safe`
    );
  }
  if (kind === 'solid' && writeCache === 'write back' && p50Micros < FASTEST_PROGRAM_MICROS) {
    return (
      `${name} made a block durable in ${micros} µs (p50), sooner than flash is programmed ` +
      `(${FASTEST_PROGRAM_MICROS} µs). A cache answered that says it forgets`
    );
  }
  return undefined;
}
