/** Numbers that no copy can go by are told before anything is opened for it. */
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { copyStream } from '../../../engine/connect/copy.ts';

const dataDir = join(tmpdir(), `helicorder-never-made-${process.pid}`);
const options = { dataDir, from: 'a/b', toDataDir: dataDir, to: 'a/c' };

it.each([
  [{ batchRecords: 0 }, 'batchRecords 0: expected a whole number from 1'],
  [{ batchRecords: 1.5 }, 'batchRecords 1.5: expected a whole number from 1'],
  [{ batchRecords: '7' }, 'batchRecords 7: expected a whole number from 1'],
  [{ bytesPerSecond: 0 }, 'bytesPerSecond 0: expected a number above 0'],
  [{ bytesPerSecond: NaN }, 'bytesPerSecond NaN: expected a number above 0'],
  [{ begin: -1 }, 'begin -1: expected start, tail or an offset'],
  [{ begin: 'end' }, 'begin end: expected start, tail or an offset'],
  [{ end: NaN }, 'end NaN: expected an offset'],
  [{ end: 2.5 }, 'end 2.5: expected an offset'],
  [{ lingerMs: -1 }, 'lingerMs -1: expected 0 to 3600000'],
  [{ begin: 5, end: 4 }, '--to 4 lies before --from 5'],
])('%o is refused', async (wrong, message) => {
  const copy = copyStream({ ...options, ...(wrong as object) });
  await expect(copy).rejects.toMatchObject({ code: 'USAGE', message });
});

it('what stands for no limit is taken', async () => {
  const unlimited = { batchRecords: Infinity, bytesPerSecond: Infinity, end: Infinity };
  const none = { begin: undefined, lingerMs: undefined, cursor: undefined };
  const copy = copyStream({ ...options, ...unlimited, ...(none as object) });
  await expect(copy).rejects.toMatchObject({ code: 'NOT_A_STORE' });
});
