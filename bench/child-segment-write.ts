/**
 * Durable writes into zero-filled segments, one after the other, as the log's.
 *   node child-segment-write.js DIR BLOCK_BYTES FILE_BYTES
 * Prints {bytesPerSecond} of the writes alone, after the last block has been read back.
 */
import { monotonicMs } from '../engine/base/clock.ts';
import { SEGMENT_MAX_BYTES } from '../engine/base/constants.ts';
import { HelicorderError } from '../engine/base/errors.ts';
import { nodeFileSystem } from '../engine/files/node-file-system.ts';
import { Spare } from '../engine/store/write/next-segment.ts';
import { printJson } from './process.ts';

const [dir = '.', blockText = '', fileText = ''] = process.argv.slice(2);
const [blockBytes, fileBytes] = [Number(blockText), Number(fileText)];
const direct = nodeFileSystem.probeDirect(dir);
const spare = Spare.open(nodeFileSystem, dir, Math.min(fileBytes, SEGMENT_MAX_BYTES), direct);
while (spare.advance());
spare.close();

const file = nodeFileSystem.openDurable(spare.path, direct);
const block = nodeFileSystem.alignedBuffer(blockBytes).fill(0xa5);
const startMs = monotonicMs();
for (let at = 0; at < fileBytes; at += blockBytes) file.write(block, at);
const elapsedMs = monotonicMs() - startMs;
file.close();

const back = new Uint8Array(blockBytes);
const written = nodeFileSystem.open(spare.path, 'read');
written.read(back, fileBytes - blockBytes);
written.close();
if (Buffer.compare(back, block) !== 0) {
  throw new HelicorderError('ASSERTION', 'the last block came back as another one');
}
printJson({ bytesPerSecond: (1000 * fileBytes) / elapsedMs });
