/**
 * The store in `test/fixtures/spill-v1`: the streams of the golden log, each copied in one
 * transaction that was spilled and is not sealed. Like that one it was written once, its files cut
 * behind their last block that is not zero, and is NEVER made again.
 */
import { systemEnvironment } from '../../engine/store/store.ts';
import { copyOnce } from './copies.ts';
import { LocalOwner } from './local-owner.ts';

const SPILLING = { ...systemEnvironment, spillBytes: 200 };
const STREAMS = ['golden/samples', 'golden/events'];

/** @param from a copy of the golden log: the copies leave their cursors in it */
export async function makeGoldenSpill(from: string, to: string): Promise<void> {
  const source = new LocalOwner(from);
  const target = new LocalOwner(to, undefined, SPILLING);
  for (const stream of STREAMS) {
    await copyOnce(
      { dir: from, owner: source.connect() },
      { dir: to, owner: target.connect() },
      { stream, target: stream, cursor: stream, batchRecords: Infinity, batchBytes: Infinity },
    );
  }
  source.close();
  target.close();
}
