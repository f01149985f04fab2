/** How large the segments of a store are, and that none goes beyond its budget. */
import { describe, expect, it } from 'vitest';
import type { Clock } from '../../../engine/base/clock.ts';
import { BLOCK_BYTES, KIB, MIB } from '../../../engine/base/constants.ts';
import { ENTRY_FLAG } from '../../../engine/store/entries/format.ts';
import { GroupBuilder } from '../../../engine/store/log/group.ts';
import { LogWriter } from '../../../engine/store/write/log-writer.ts';
import { NextSegment } from '../../../engine/store/write/next-segment.ts';
import { listSegments, segmentPath } from '../../../engine/store/log/segment.ts';
import { ControlState } from '../../../engine/store/state/state.ts';
import { systemEnvironment } from '../../../engine/store/store.ts';
import type { StoreWriter } from '../../../engine/store/write/writer.ts';
import { ManualClock } from '../../support/clocks.ts';
import { SeededRandom } from '../../support/random.ts';
import { SimulatedDisk } from '../../support/simulated-disk.ts';
import { SimulatedFileSystem, calmHost } from '../../support/simulated-file-system.ts';
import { beginEvents, openWriter } from '../../support/stores.ts';

const DIR = '/store';
const FULL_BYTES = 64 * MIB;
const UNKNOWN_KIND = 200;
const NOISE = new SeededRandom(3).bytes(9 * MIB);

class Rig {
  readonly fs = new SimulatedFileSystem();
  writer: StoreWriter;
  readonly #clock: Clock;

  constructor(clock = systemEnvironment.clock) {
    this.#clock = clock;
    this.writer = this.#open();
  }

  #open(): StoreWriter {
    const environment = { ...systemEnvironment, fs: this.fs, random: new SeededRandom(2) };
    return openWriter(DIR, FULL_BYTES, { ...environment, clock: this.#clock, pause: () => {} });
  }

  reopen(): void {
    this.writer.close();
    this.writer = this.#open();
  }

  append(bytes: number): void {
    this.writer.appendEvents(beginEvents(this.writer), [NOISE.subarray(0, bytes)]);
  }

  sizes(): number[] {
    const { log } = this.writer.paths;
    return listSegments(this.fs, log).map((n) => this.fs.fileSize(segmentPath(log, n))! / MIB);
  }
}

describe('segments', () => {
  it('grow by steps of four to the full size', () => {
    const rig = new Rig();
    for (let i = 0; i < 25; i++) rig.append(MIB);
    expect(rig.sizes()).toEqual([4, 16, 64]);
    rig.writer.close();
  });

  it('are of the full size where what comes first needs it', () => {
    const rig = new Rig();
    rig.append(8 * MIB);
    expect(rig.sizes()).toEqual([4, 64]);
    rig.writer.close();
  });

  it('stay as they are where one takes more than a minute to fill', () => {
    const clock = new ManualClock();
    const rig = new Rig(clock);
    const second = 1_000_000_000n;
    for (let i = 0; i < 9; i++) {
      clock.monotonicNanos += 40n * second;
      rig.append(MIB);
    }
    expect(rig.sizes()).toEqual([4, 4, 4]);
    for (let i = 0; i < 24; i++) {
      clock.monotonicNanos += second;
      rig.append(MIB);
    }
    // the one behind the third was begun while little came
    expect(rig.sizes()).toEqual([4, 4, 4, 4, 16, 64]);
    rig.writer.close();
  });

  it('use what an earlier owner has filled', () => {
    const rig = new Rig();
    rig.fs.writeFileDurably(`${rig.writer.paths.log}/spare-1.seg`, new Uint8Array(40 * MIB));
    rig.reopen();
    for (let i = 0; i < 5; i++) rig.append(MIB);
    expect(rig.sizes()).toEqual([4, 64]);
    rig.writer.close();
  });

  it('are asked for at the size that is taken', () => {
    const fs = new SimulatedFileSystem();
    const { clock } = systemEnvironment;
    const random = new SeededRandom(2);
    const asked: number[] = [];
    fs.makeDirectory(DIR);
    const ids = { storeId: new Uint8Array(16), machineId: new Uint8Array(16), createdNanos: 0n };
    const log = new LogWriter(
      {
        ...{ fs, logDir: DIR, ballastPath: `${DIR}/ballast`, clock, random, direct: true },
        identity: { ...ids, segmentBytes: FULL_BYTES, origin: undefined },
        state: new ControlState(),
        mayGrow: (bytes) => asked.push(bytes / MIB) > 0 && bytes <= 20 * MIB,
        onDurable: () => {},
      },
      undefined,
    );
    const commit = (bytes: number): void => {
      const builder = new GroupBuilder(BLOCK_BYTES);
      builder.add(UNKNOWN_KIND, 0, NOISE.subarray(0, bytes), ENTRY_FLAG.ignorable);
      log.commit(builder);
    };
    commit(MIB);
    expect(() => commit(9 * MIB)).toThrow('store.budget');
    expect(asked).toEqual([64]);
    expect(listSegments(fs, DIR)).toEqual([1]);
    log.close();
  });
});

describe('the file of the next segment', () => {
  it('for which there was no space is filled by a later try, whatever its size', () => {
    const fs = new SimulatedFileSystem();
    fs.makeDirectory(DIR);
    const place = { fs, logDir: DIR, ballastPath: `${DIR}/ballast`, direct: true };
    const next = new NextSegment(place, FULL_BYTES);
    next.fillAhead(4 * MIB, 0.5);
    fs.openDurable = () => {
      throw Object.assign(new Error('no space'), { code: 'ENOSPC' });
    };
    expect(() => next.ready(16 * MIB, 0)).toThrow(expect.objectContaining({ code: 'NO_SPACE' }));
    Reflect.deleteProperty(fs, 'openDurable');
    next.ready(4 * MIB, 0);
    expect(fs.fileSize(next.promote(1).path)).toBe(4 * MIB);
    expect([...fs.openFiles]).toEqual([]);
  });
});

describe('zeros ahead', () => {
  /** The sizes of the pieces written for one segment while another one fills by groups. */
  function piecesBeside(groupBytes: number, segmentBytes: number): number[] {
    const pieces: number[] = [];
    const step = (operation: string, _: string, bytes: number): void => {
      if (operation === 'write') pieces.push(bytes / KIB);
    };
    const fs = new SimulatedFileSystem(new SimulatedDisk(), { ...calmHost, step });
    fs.makeDirectory(DIR);
    const ballastPath = `${DIR}/ballast`;
    const next = new NextSegment({ fs, logDir: DIR, ballastPath, direct: true }, segmentBytes);
    for (let at = 0; at < segmentBytes; at += groupBytes) {
      next.fillAhead(segmentBytes, (1.25 * at) / segmentBytes);
    }
    next.ready(segmentBytes, 0);
    next.close();
    expect(pieces.reduce((sum, piece) => sum + piece, 0) * KIB).toBe(segmentBytes);
    return pieces;
  }

  it('are written in small pieces beside small groups: the next one waits behind them', () => {
    const pieces = piecesBeside(100 * KIB, 16 * MIB);
    expect(Math.max(...pieces)).toBeLessThanOrEqual(256);
    expect(Math.min(...pieces.slice(0, -1))).toBeGreaterThanOrEqual(128);
  });

  it('are written in whole ones beside a backlog', () => {
    const pieces = piecesBeside(MIB, 64 * MIB);
    expect(pieces).toEqual(pieces.map(() => 1024));
  });

  it('are written ahead of a small segment too', () => {
    expect(piecesBeside(4 * KIB, 256 * KIB).length).toBeGreaterThan(16);
  });
});
