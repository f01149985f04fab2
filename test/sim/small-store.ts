/** A store with smaller segments than a user may ask for: made up to its `store.json`. */
import { storePaths, writeStoreJson } from '../../engine/store/log/files.ts';
import { SimulatedFileSystem } from '../support/simulated-file-system.ts';
import { DIR } from './owners.ts';
import type { World } from './world.ts';

export function makeSmallStore({ disk, random, weather }: World): void {
  writeStoreJson(new SimulatedFileSystem(disk), storePaths(DIR).storeJson, {
    ...{ storeId: random.bytes(16), machineId: new Uint8Array(16), createdNanos: 1n },
    ...{ segmentBytes: weather.segmentBytes, origin: undefined },
  });
}
