/**
 * The small files of a store beside its log: where they are, and `store.json`, which says whose
 * store it is. A lost or damaged `store.json` is made anew from a segment's header.
 */
import { hex, unhex } from '../../base/bytes.ts';
import { BLOCK_BYTES, SEGMENT_MAX_BYTES, SEGMENT_MIN_BYTES } from '../../base/constants.ts';
import { crc32c } from '../../base/crc32c.ts';
import { HelicorderError, errnoCode } from '../../base/errors.ts';
import { edge } from '../../base/failpoint.ts';
import type { FileSystem } from '../../files/file-system.ts';
import type { StoreIdentity } from '../entries/format.ts';
import { listSegments, openIfThere } from './segment.ts';
import { checkVersion } from './version.ts';

export const STORE_FORMAT = 1;

export interface StorePaths {
  dir: string;
  storeJson: string;
  lock: string;
  /** locked by a recorder that wants the store (`lock.ts`) */
  claim: string;
  mark: string;
  log: string;
  catalog: string;
  ballast: string;
  control: string;
  /** what transactions hold that are too large for one group (`spill.ts`) */
  spills: string;
  /** long-term storage, unless it is configured elsewhere; else what could not be put there yet */
  chunks: string;
  /** what doctor has put aside */
  quarantine: string;
}

export function storePaths(dir: string): StorePaths {
  return {
    dir,
    storeJson: `${dir}/store.json`,
    lock: `${dir}/lock`,
    claim: `${dir}/claim`,
    mark: `${dir}/mark`,
    log: `${dir}/log`,
    catalog: `${dir}/catalog.db`,
    ballast: `${dir}/ballast`,
    control: `${dir}/control`,
    spills: `${dir}/txn`,
    chunks: `${dir}/chunks`,
    quarantine: `${dir}/quarantine`,
  };
}

interface StoreJson {
  format: number;
  storeId: string;
  machineId: string;
  blockBytes: number;
  segmentBytes: number;
  created: string;
  /** absent: the store has had no other id */
  origin?: string;
  checksum: string;
}

export function writeStoreJson(fs: FileSystem, path: string, identity: StoreIdentity): void {
  const facts = {
    format: STORE_FORMAT,
    storeId: hex(identity.storeId),
    machineId: hex(identity.machineId),
    blockBytes: BLOCK_BYTES,
    segmentBytes: identity.segmentBytes,
    created: String(identity.createdNanos),
    ...(identity.origin && { origin: hex(identity.origin) }),
  };
  const json: StoreJson = { ...facts, checksum: checksumOf(facts) };
  const bytes = new TextEncoder().encode(`${JSON.stringify(json, null, 2)}\n`);
  edge('store-json', () => fs.writeFileDurably(path, bytes));
}

/** The identity of the store, or undefined if `store.json` is missing or damaged. */
export function readStoreJson(fs: FileSystem, path: string): StoreIdentity | undefined {
  let json: StoreJson;
  try {
    json = JSON.parse(fs.readText(path)) as StoreJson;
  } catch (error) {
    const errno = errnoCode(error);
    if (errno !== undefined && errno !== 'ENOENT') throw error;
    return undefined;
  }
  const { checksum, ...facts } = json ?? {};
  if (checksum !== checksumOf(facts)) return undefined;
  if (typeof json.format === 'number') checkVersion(path, json.format, STORE_FORMAT);
  if (!isStoreJson(json)) return undefined;
  return {
    storeId: unhex(json.storeId),
    machineId: unhex(json.machineId),
    createdNanos: BigInt(json.created),
    segmentBytes: json.segmentBytes,
    origin: json.origin === undefined ? undefined : unhex(json.origin),
  };
}

const ID = /^[0-9a-f]{32}$/;

/** Whoever can write the file can write its checksum. */
function isStoreJson({ format, storeId, machineId, created, segmentBytes, origin }: StoreJson) {
  const ids = [storeId, machineId, ...(origin === undefined ? [] : [origin])];
  return (
    format === STORE_FORMAT &&
    ids.every((id) => typeof id === 'string' && ID.test(id)) &&
    typeof created === 'string' &&
    /^-?\d{1,19}$/.test(created) &&
    Number.isSafeInteger(segmentBytes)
  );
}

/** The identity that the newest readable segment header repeats. */
export function identityFromLog(fs: FileSystem, logDir: string): StoreIdentity | undefined {
  for (const segment of listSegments(fs, logDir).toReversed()) {
    const open = openIfThere(fs, logDir, segment);
    if (open === undefined) continue;
    open.close();
    if (open.headerRebuilt) continue;
    const { storeId, machineId, storeCreatedNanos, storeSegmentBytes } = open.header;
    const made = { createdNanos: storeCreatedNanos, segmentBytes: storeSegmentBytes };
    return { storeId, machineId, ...made, origin: undefined };
  }
  return undefined;
}

/** 16 bytes that name this machine: /etc/machine-id, or zeros where there is none. */
export function readMachineId(fs: FileSystem): Uint8Array {
  try {
    const digits = fs.readText('/etc/machine-id').trim();
    if (/^[0-9a-f]{32}$/.test(digits)) return unhex(digits);
  } catch (error) {
    if (errnoCode(error) === undefined) throw error;
  }
  return new Uint8Array(16);
}

export function checkSegmentBytes(bytes: number): void {
  const sound =
    bytes >= SEGMENT_MIN_BYTES && bytes <= SEGMENT_MAX_BYTES && bytes % (4 * BLOCK_BYTES) === 0;
  if (!sound) {
    throw new HelicorderError(
      'CONFIG',
      `segment size ${bytes}: expected a multiple of 16 KiB from ${SEGMENT_MIN_BYTES} to ${SEGMENT_MAX_BYTES} bytes`,
    );
  }
}

function checksumOf(facts: object): string {
  const bytes = new TextEncoder().encode(JSON.stringify(facts));
  return crc32c(bytes).toString(16).padStart(8, '0');
}
