/** How large the segments of a store are, and that none goes beyond its budget. */
import { describe, expect, it } from 'vitest';
import { BLOCK_BYTES, MIB } from '../../../engine/base/constants.ts';
import { ENTRY_FLAG } from '../../../engine/store/log/format.ts';
import { GroupBuilder } from '../../../engine/store/log/group.ts';
import { LogWriter } from '../../../engine/store/log/log-writer.ts';
import { listSegments, segmentPath } from '../../../engine/store/log/segment.ts';
import { ControlState } from '../../../engine/store/state.ts';
import { systemEnvironment } from '../../../engine/store/store.ts';
import type { StoreWriter } from '../../../engine/store/writer.ts';
import { SeededRandom } from '../../support/random.ts';
import { SimulatedFileSystem } from '../../support/simulated-file-system.ts';
import { beginEvents, openWriter } from '../../support/stores.ts';

const DIR = '/store';
const FULL_BYTES = 64 * MIB;
const UNKNOWN_KIND = 200;
const NOISE = new SeededRandom(3).bytes(9 * MIB);

class Rig {
  readonly fs = new SimulatedFileSystem();
  writer: StoreWriter;

  constructor() {
    this.writer = this.#open();
  }

  #open(): StoreWriter {
    const environment = { ...systemEnvironment, fs: this.fs, random: new SeededRandom(2) };
    return openWriter(DIR, FULL_BYTES, { ...environment, pause: () => {} });
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
