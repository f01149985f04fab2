/** An owner whose disk is full, or who may take no more of it, when it begins and ends. */
import { describe, expect, it } from 'vitest';
import { GIB, MIB } from '../../../engine/base/constants.ts';
import type { HelicorderError } from '../../../engine/base/errors.ts';
import { setCursor, setRetention } from '../../../engine/store/write/changes.ts';
import { segmentOf } from '../../../engine/store/entries/format.ts';
import { NEW_NAME } from '../../../engine/store/log/segment.ts';
import { Appender } from '../../../engine/store/appender.ts';
import { systemEnvironment, type StoreEnvironment } from '../../../engine/store/store.ts';
import { StoreWriter } from '../../../engine/store/write/writer.ts';
import { SeededRandom } from '../../support/random.ts';
import { SimulatedDisk } from '../../support/simulated-disk.ts';
import { SimulatedFileSystem, calmHost } from '../../support/simulated-file-system.ts';
import { beginEvents, bytes, openWriter, readEvents, text } from '../../support/stores.ts';

const DIR = '/store';

/** A store whose writes fail as `fault` says; there is none while it is undefined. */
class Rig {
  fault: { errno: string; isMeant: (path: string) => boolean } | undefined;
  /** ends the sleep of whoever waits for space */
  wake = (): void => {};
  readonly fs: SimulatedFileSystem;
  readonly environment: StoreEnvironment;

  constructor() {
    const fault = (operation: string, path: string): string | undefined =>
      operation === 'write' && this.fault?.isMeant(path) ? this.fault.errno : undefined;
    this.fs = new SimulatedFileSystem(new SimulatedDisk(), { ...calmHost, fault });
    const random = new SeededRandom(2);
    this.environment = { ...systemEnvironment, fs: this.fs, random, pause: () => {} };
  }
}

describe.each(['ENOSPC', 'EDQUOT'])('%s', (errno) => {
  it('for a mark takes what was kept in reserve', () => {
    const rig = new Rig();
    rig.fs.disk.shownFreeBytes = GIB;
    openWriter(DIR, undefined, rig.environment).close();
    const ballast = `${DIR}/ballast`;
    expect(rig.fs.exists(ballast)).toBe(true);
    let failures = 0;
    const isMeant = (path: string): boolean => {
      if (!path.includes('mark') || !rig.fs.exists(ballast)) return false;
      failures++;
      return true;
    };
    rig.fault = { errno, isMeant };
    openWriter(DIR, undefined, rig.environment).close();
    expect(failures).toBeGreaterThan(0);
  });

  it('for a mark that was deleted is waited for', () => {
    const rig = new Rig();
    const writer = openWriter(DIR, undefined, rig.environment);
    const { mark } = writer.paths;
    rig.fs.remove(mark);
    rig.fault = { errno, isMeant: (path) => path.includes('mark') };
    writer.keepMark();
    expect(rig.fs.exists(mark)).toBe(false);
    rig.fault = undefined;
    writer.keepMark();
    expect(rig.fs.exists(mark)).toBe(true);
    writer.close();
  });

  it('for a mark takes nothing of what the log has in hand', async () => {
    const rig = new Rig();
    const writer = openWriter(DIR, MIB, rig.environment);
    const events = beginEvents(writer);
    const noise = (seed: number): Uint8Array => new SeededRandom(seed).bytes(40_000);
    let count = 0;
    const append = (): unknown => writer.appendEvents(events, [noise(count++)]);
    const spare = `${writer.paths.log}/${NEW_NAME}`;
    while (!rig.fs.exists(spare)) append();
    rig.fs.remove(writer.paths.mark);
    rig.fault = { errno, isMeant: (path) => path.includes('mark') };
    writer.keepMark();
    rig.fault = undefined;
    expect(rig.fs.exists(spare)).toBe(true);
    while (segmentOf(writer.durableEnd) < 3) append();
    writer.close();
    expect(await readEvents(DIR, undefined, rig.environment)).toHaveLength(count);
  });
});

describe('a change that the disk has no room for, for a moment', () => {
  const cursor = { name: 'reader', stream: 'test/events', offset: 1 };

  it.each([false, true])('has not happened, and does when asked again (restart: %s)', (isNext) => {
    const rig = new Rig();
    let writer = openWriter(DIR, undefined, rig.environment);
    const run = beginEvents(writer);
    writer.appendEvents(run, [bytes('one')]);
    rig.fault = { errno: 'ENOSPC', isMeant: (path) => path.endsWith('.seg') };
    for (let i = 0; i < 2; i++) {
      expect(() => setCursor(writer, cursor, 1n)).toThrow(
        expect.objectContaining({ code: 'NO_SPACE' }),
      );
    }
    expect(writer.state.cursors.size).toBe(0);
    rig.fault = undefined;
    if (isNext) {
      writer.abandon();
      writer = openWriter(DIR, undefined, rig.environment);
    } else {
      writer.appendEvents(run, [bytes('two')]);
    }
    setCursor(writer, cursor, 2n);
    writer.close();
    const { state } = openWriter(DIR, undefined, rig.environment);
    expect(state.cursors.get('reader')).toMatchObject({ offset: 1 });
  });
});

describe('an appender that cannot say that it ends', () => {
  it.each([
    ['ENOSPC', 'NO_SPACE'],
    ['EIO', 'STORE_IO'],
  ])('for %s throws %s, and the store has no owner', async (errno, code) => {
    const rig = new Rig();
    const what = { stream: 'test/events', writer: 'w', environment: rig.environment };
    const appender = Appender.open(DIR, what);
    await appender.append([bytes('one')]);
    rig.fault = { errno, isMeant: (path) => path.endsWith('.seg') };
    expect(() => appender.close()).toThrow(expect.objectContaining({ code }));
    rig.fault = undefined;
    expect([...rig.fs.openFiles]).toEqual([]);
    const next = Appender.open(DIR, what);
    await next.append([bytes('two')]);
    next.close();
    expect(await readEvents(DIR, 'test/events', rig.environment)).toEqual(['one', 'two']);
  });
});

describe('an appender in a store that was told its budget', () => {
  it('waits where it is spent, and takes no more', async () => {
    const rig = new Rig();
    const budget = { bytes: 10 * MIB, minFreeBytes: 0 };
    const recorder = openWriter(DIR, MIB, rig.environment);
    setRetention(recorder, { budget, rules: [] });
    recorder.close();
    const sleep = (): Promise<void> => new Promise((resolve) => (rig.wake = resolve));
    const environment = { ...rig.environment, sleep };
    const appender = Appender.open(DIR, { stream: 'test/events', writer: 'w', environment });
    const noise = new SeededRandom(1).bytes(100_000);
    const waited = new Promise<HelicorderError>((resolve) => {
      for (let i = 0; i < 200; i++) appender.append([noise], resolve).catch(() => {});
    });
    expect(await waited).toMatchObject({ code: 'NO_SPACE' });
    expect(rig.fs.diskUse(DIR)).toBeLessThanOrEqual(budget.bytes);
    expect(appender.lastSeq).toBeGreaterThan(40);
    appender.close();
  });
});

describe('appends that overlap while the disk is full', () => {
  const noise = (seed: number): Uint8Array => new SeededRandom(seed).bytes(40_000);

  async function appenderThatWaits(
    rig: Rig,
    event: Uint8Array,
  ): Promise<{ appender: Appender; first: Promise<{ firstSeq: number }> }> {
    let awake = (): void => {};
    const sleep = (): Promise<void> => new Promise((resolve) => (awake = resolve));
    const environment = { ...rig.environment, sleep };
    rig.wake = () => awake();
    const appender = Appender.open(DIR, { stream: 'test/events', writer: 'w', environment });
    await appender.append([bytes('before')]);
    rig.fault = { errno: 'ENOSPC', isMeant: (path) => path.endsWith('.seg') };
    const waits: string[] = [];
    const first = appender.append([event], ({ code }) => waits.push(code));
    await Promise.resolve();
    expect(waits).toEqual(['NO_SPACE']);
    return { appender, first };
  }

  it('are stored once each, in the order of the calls', async () => {
    const rig = new Rig();
    const { appender, first } = await appenderThatWaits(rig, noise(1));
    const rest = [2, 3, 4].map((seed) => appender.append([noise(seed)]));
    rig.fault = undefined;
    rig.wake();
    const appended = await Promise.all([first, ...rest]);
    expect(appended.map(({ firstSeq }) => firstSeq)).toEqual([2, 3, 4, 5]);
    appender.close();
    const found = await readEvents(DIR, 'test/events', rig.environment);
    expect(found).toEqual(['before', ...[1, 2, 3, 4].map((seed) => text(noise(seed)))]);
  });

  it('are refused when it is closed, and not stored', async () => {
    const rig = new Rig();
    const { appender, first } = await appenderThatWaits(rig, bytes('one'));
    const calls = [first, appender.append([bytes('two')])];
    appender.close();
    rig.fault = undefined;
    rig.wake();
    for (const call of calls) await expect(call).rejects.toMatchObject({ code: 'USAGE' });
    expect(await readEvents(DIR, 'test/events', rig.environment)).toEqual(['before']);
  });
});

it('a change that never fits takes nothing of a commit that waits for space', () => {
  const writer = StoreWriter.open(DIR, {
    ...{ ...new Rig().environment, segmentBytes: MIB },
    budget: { bytes: 8 * MIB, minFreeBytes: 0 },
  });
  const events = beginEvents(writer);
  const noise = new SeededRandom(3).bytes(100_000);
  const fill = (): void => {
    for (;;) writer.appendEvents(events, [noise]);
  };
  expect(fill).toThrow(/has reached its budget/);
  const detail = 'd'.repeat(4000);
  let cursors = 0;
  const addCursors = (): void => {
    for (;;) {
      const cursor = { name: `c${cursors++}`, stream: events.stream.name, offset: 0, detail };
      setCursor(writer, cursor, 1n);
    }
  };
  expect(addCursors).toThrow(expect.objectContaining({ code: 'USAGE' }));
  expect(cursors).toBeGreaterThan(100);
  expect(writer.isWaiting).toBe(true);
  // and it is refused as before, not as something final
  expect(() => writer.resume()).toThrow(expect.objectContaining({ code: 'NO_SPACE' }));
});
