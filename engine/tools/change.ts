/**
 * Changes to a store from any process: through its owner if there is one, else as its owner for a
 * moment. Either way the change is durable when the call returns.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { monotonicMs } from '../base/clock.ts';
import { LOCK_WAIT_MS } from '../base/constants.ts';
import { HelicorderError, isCode } from '../base/errors.ts';
import { cursorName, streamName } from '../base/names.ts';
import { ControlClient } from '../control/client.ts';
import type { Question } from '../control/protocol.ts';
import { removeCursor, removeStream, setCursor, trimStream } from '../store/write/changes.ts';
import { trimEntry, type TrimEntry } from '../store/entries/control-entries.ts';
import { storePaths } from '../store/log/files.ts';
import { Store, systemEnvironment } from '../store/store.ts';
import { planTrim } from '../store/upkeep/trim.ts';
import { StoreWriter } from '../store/write/writer.ts';

export type Change =
  | Extract<Question, { type: 'remove' | 'set-cursor' | 'remove-cursor' }>
  /** everything of the stream before that offset is let go of */
  | { type: 'trim'; stream: string; lowWater: number };

/** A change, with what it takes to make it: what a trim will let go of was read before. */
type PlannedChange = Exclude<Change, { type: 'trim' }> | { type: 'trim'; trim: TrimEntry };

export interface ChangeOptions {
  dataDir: string;
  /** is told if the owner waits for space, and the change with it */
  onWait?: (error: HelicorderError) => void;
  /** is told what a person should know of the store, if this process has to be its owner */
  onWarning?: (warning: string) => void;
}

const REFUSALS = ['USAGE', 'NO_SUCH_STREAM', 'NO_SUCH_CURSOR'] as const;
const LOOK_AGAIN_MS = 50;
/** Each attempt to open a store on a full disk reads its newest segment. */
const FULL_AGAIN_MS = 1000;

/**
 * @throws USAGE for a name that cannot be, NOT_A_STORE, what the change is refused with, and
 *   STORE_IN_USE if the owner serves nobody
 */
export async function changeStore(options: ChangeOptions, change: Change): Promise<void> {
  checkNames(change);
  const planned = await plan(options.dataDir, change);
  await throughOwner(
    options,
    async (client) => {
      try {
        if (planned.type !== 'trim') await client.ask(planned, 'done');
        else await client.ask({ type: 'trim' }, 'done', trimEntry.encode(planned.trim));
      } finally {
        client.close();
      }
    },
    () => changeAsOwner(options, planned),
  );
}

/** An owner would only say that it is no request. */
function checkNames(change: Change): void {
  if ('name' in change) cursorName(change.name);
  if ('stream' in change) streamName(change.stream);
}

/** @throws NOT_A_STORE: no store is made only to be changed */
async function plan(dataDir: string, change: Change): Promise<PlannedChange> {
  const store = Store.open(dataDir);
  try {
    if (change.type !== 'trim') return change;
    const { id, name, nextOffset } = store.stream(change.stream);
    const { lowWater } = change;
    if (!Number.isSafeInteger(lowWater) || lowWater < 0 || lowWater > nextOffset) {
      throw new HelicorderError('USAGE', `offset ${lowWater}: ${name} ends at ${nextOffset}`);
    }
    return { type: 'trim', trim: await planTrim(store.reader, id, lowWater) };
  } finally {
    store.close();
  }
}

function changeAsOwner({ dataDir, onWarning }: ChangeOptions, change: PlannedChange): void {
  const writer = StoreWriter.open(dataDir, systemEnvironment);
  for (const warning of [...writer.warnings, ...writer.spills.warnings]) onWarning?.(warning);
  try {
    applyChange(writer, change);
  } catch (error) {
    // what is refused has written nothing: the store ends as well as it did before
    if (REFUSALS.some((code) => isCode(error, code))) writer.close();
    else writer.abandon();
    throw error;
  }
  writer.close();
}

function applyChange(writer: StoreWriter, change: PlannedChange): void {
  switch (change.type) {
    case 'trim':
      return trimStream(writer, change.trim);
    case 'set-cursor':
      return setCursor(writer, change, systemEnvironment.clock.read().utcNanos);
    case 'remove-cursor':
      return removeCursor(writer, change.name);
    case 'remove':
      return removeStream(writer, change.stream);
  }
}

/**
 * What a running recorder is asked: its status, or to read its configuration again.
 * @throws NO_OWNER if nobody owns the store, or its owner is no recorder
 */
export async function askRecorder(dataDir: string, what: 'status' | 'reload'): Promise<unknown> {
  const client = await ControlClient.connect(storePaths(dataDir).control);
  if (client === undefined) {
    throw new HelicorderError('NO_OWNER', `no recorder runs on ${dataDir}`, {
      details: { dir: dataDir },
    });
  }
  try {
    return await client.report({ type: what });
  } finally {
    client.close();
  }
}

/**
 * Does something with the owner of a store, or as its owner if there is none. An owner that has
 * just begun has the lock before it has the socket, and one that ends loses the socket first. A
 * full disk is waited for, by whoever can be told so.
 */
async function throughOwner(
  { dataDir, onWait }: ChangeOptions,
  withOwner: (client: ControlClient) => Promise<void>,
  asOwner: () => void,
): Promise<void> {
  const deadline = monotonicMs() + LOCK_WAIT_MS;
  const tell = (message: string): void => onWait?.(new HelicorderError('NO_SPACE', message));
  let isTold = false;
  for (;;) {
    const client = await ControlClient.connect(storePaths(dataDir).control, tell);
    if (client) return withOwner(client);
    try {
      return asOwner();
    } catch (error) {
      if (!(error instanceof HelicorderError)) throw error;
      const isFull = error.code === 'NO_SPACE' && onWait !== undefined;
      const isOwned = error.code === 'STORE_IN_USE' && monotonicMs() <= deadline;
      if (!isFull && !isOwned) throw error;
      if (isFull && !isTold) onWait(error);
      isTold ||= isFull;
      await sleep(isFull ? FULL_AGAIN_MS : LOOK_AGAIN_MS);
    }
  }
}
