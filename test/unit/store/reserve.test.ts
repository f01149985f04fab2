/** The end of a segment, at the budget: who may still use it, and for whom it is kept. */
import { expect, it } from 'vitest';
import { MIB } from '../../../engine/base/constants.ts';
import { removeStream, setCursor } from '../../../engine/store/changes.ts';
import { systemEnvironment } from '../../../engine/store/store.ts';
import { StoreWriter } from '../../../engine/store/writer.ts';
import { SimulatedFileSystem } from '../../support/simulated-file-system.ts';
import { beginEvents, bytes } from '../../support/stores.ts';

const FULL = { bytes: 1, minFreeBytes: 0 };

/** Until there is no space for one more. @returns how often it was done */
function exhaust(work: () => void): number {
  for (let times = 0; ; times++) {
    try {
      work();
    } catch (error) {
      expect(error).toMatchObject({ code: 'NO_SPACE' });
      return times;
    }
  }
}

it.each([true, false])(
  'cursors of a copy leave room for what frees space (records wait: %s)',
  (areWaiting) => {
    const environment = { ...systemEnvironment, fs: new SimulatedFileSystem() };
    const options = { ...environment, segmentBytes: MIB, budget: FULL };
    const before = StoreWriter.open('/store', options);
    beginEvents(before, 'test/gone');
    before.abandon();
    const writer = StoreWriter.open('/store', options);
    const run = beginEvents(writer, 'test/copied');
    if (areWaiting) exhaust(() => writer.appendEvents(run, [bytes('an event')]));
    const cursor = { name: 'copy', stream: 'test/copied', offset: 0 };
    expect(exhaust(() => setCursor(writer, cursor, 0n))).toBeGreaterThan(0);
    expect(writer.isWaiting).toBe(areWaiting);
    removeStream(writer, 'test/gone');
    expect(writer.state.streamNamed('test/gone')).toBeUndefined();
    writer.abandon();
  },
);
