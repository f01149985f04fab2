/**
 * Whose store this is. A store has an id and is bound to the machine it is written on
 * (/etc/machine-id). One that wakes up on another machine was copied there: it takes a new id and
 * keeps the old one as `origin`, so that two boxes cloned from one card are never taken for one
 * source. The log says so by an entry, which makes headers with earlier ids legal.
 *
 *   store.json rewritten, durably ─▶ group {start, identity} ─▶ headers carry the new id
 *
 * If the end comes between the two, `origin` in store.json is still the log's id: the entry is
 * written at the next start. What the log says counts; a store.json of any other store is made
 * anew. A machine without an id never raises an alarm, nor does a store that was made on one.
 */
import type { Clock, Random } from '../../base/clock.ts';
import { SEGMENT_DEFAULT_BYTES } from '../../base/constants.ts';
import type { FileSystem } from '../../files/file-system.ts';
import type { IdentityEntry } from '../entries/control-entries.ts';
import {
  checkSegmentBytes,
  identityFromLog,
  readMachineId,
  readStoreJson,
  writeStoreJson,
  type StorePaths,
} from '../log/files.ts';
import { hex, unhex } from '../../base/bytes.ts';
import type { Lsn, StoreIdentity } from '../entries/format.ts';
import type { ControlState } from './state.ts';

export interface SettledIdentity {
  identity: StoreIdentity;
  /** to be written into the log, where it says otherwise */
  entry: IdentityEntry | undefined;
  /** sentences for people */
  warnings: string[];
}

export interface IdentityOptions {
  fs: FileSystem;
  clock: Clock;
  random: Random;
  /** for a store that is made now */
  segmentBytes?: number;
}

/** Finds out, as the owner, whose store it is, and writes store.json where that has to be said. */
export function settleIdentity(
  paths: StorePaths,
  state: ControlState | undefined,
  options: IdentityOptions,
): SettledIdentity {
  const { fs, random, segmentBytes = SEGMENT_DEFAULT_BYTES } = options;
  checkSegmentBytes(segmentBytes);
  const machineId = readMachineId(fs);
  const stated = readStoreJson(fs, paths.storeJson);
  const logged = identityOfLog(fs, paths, state);
  const warnings: string[] = [];
  const known = believed(stated, logged) ?? newIdentity(machineId, segmentBytes, options);
  if (stated && known !== stated) {
    warnings.push(`${paths.storeJson} was that of another store; it is made anew from the log`);
  }
  let identity = isUnknown(known.machineId) ? { ...known, machineId } : known;
  if (isElsewhere(known.machineId, machineId)) {
    identity = { ...known, storeId: random.bytes(16), machineId, origin: known.storeId };
    warnings.push(
      `this store was copied from another machine: store ${hex(known.storeId)} of machine ` +
        `${hex(known.machineId)} is store ${hex(identity.storeId)} from now on`,
    );
  }
  const isStated = stated && same(stated.storeId, identity.storeId) && stated === known;
  if (!isStated || !same(stated.machineId, identity.machineId)) {
    writeStoreJson(fs, paths.storeJson, identity);
  }
  return { identity, entry: entryFor(identity, logged, state?.sealedEnd), warnings };
}

/** As the newest readable header repeats it, and later entries have changed it. */
export function identityOfLog(
  fs: FileSystem,
  paths: StorePaths,
  state: ControlState | undefined,
): StoreIdentity | undefined {
  const repeated = identityFromLog(fs, paths.log);
  const last = state?.identities.at(-1);
  if (repeated === undefined || last === undefined) return repeated;
  const { storeId, machineId, was } = last;
  const ids = { storeId: unhex(storeId), machineId: unhex(machineId), origin: unhex(was) };
  return { ...repeated, ...ids };
}

/** Do the two name the same store? The log may be one change of identity behind. */
export function isOneStore(stated: StoreIdentity, logged: StoreIdentity): boolean {
  const { storeId, origin } = stated;
  return same(storeId, logged.storeId) || (origin !== undefined && same(origin, logged.storeId));
}

/** Every id that headers of this store may carry, as hex. */
export function idsOf(identity: StoreIdentity, state: ControlState): Set<string> {
  const { storeId, origin } = identity;
  const past = state.identities.flatMap((entry) => [entry.storeId, entry.was]);
  return new Set([hex(storeId), ...(origin ? [hex(origin)] : []), ...past]);
}

/**
 * How far the store was sealed under each of its earlier ids, as hex (`chunks/owner.ts`). Of an id
 * that only store.json names, nothing has been sealed since; of one whose entry does not say how
 * far, or may be lost, nothing is known.
 */
export function sealedUnder({ origin }: StoreIdentity, state: ControlState): Map<string, Lsn> {
  const ends = new Map<string, Lsn>();
  if (origin) ends.set(hex(origin), state.isPartial ? 0 : state.sealedEnd);
  for (const { was, sealedEnd = 0 } of state.identities) ends.set(was, sealedEnd);
  return ends;
}

function believed(
  stated: StoreIdentity | undefined,
  logged: StoreIdentity | undefined,
): StoreIdentity | undefined {
  if (stated === undefined || logged === undefined) return stated ?? logged;
  return isOneStore(stated, logged) ? stated : logged;
}

function newIdentity(
  machineId: Uint8Array,
  segmentBytes: number,
  { clock, random }: IdentityOptions,
): StoreIdentity {
  const createdNanos = clock.read().utcNanos;
  return { storeId: random.bytes(16), machineId, createdNanos, segmentBytes, origin: undefined };
}

function entryFor(
  { storeId, machineId }: StoreIdentity,
  logged: StoreIdentity | undefined,
  sealedEnd: Lsn | undefined,
): IdentityEntry | undefined {
  if (logged === undefined || same(storeId, logged.storeId)) return undefined;
  return { storeId: hex(storeId), machineId: hex(machineId), was: hex(logged.storeId), sealedEnd };
}

function isElsewhere(stated: Uint8Array, found: Uint8Array): boolean {
  return !isUnknown(stated) && !isUnknown(found) && !same(stated, found);
}

function isUnknown(machineId: Uint8Array): boolean {
  return machineId.every((byte) => byte === 0);
}

function same(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}
