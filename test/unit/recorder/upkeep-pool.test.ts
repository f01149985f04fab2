/** The pool's thread by itself, over a store with segments to seal. */
import { expect, it } from 'vitest';
import { systemEnvironment } from '../../../engine/store/store.ts';
import { segmentOf } from '../../../engine/store/log/format.ts';
import { upkeepPool } from '../../../workers/pool.ts';
import { temporaryDirectory } from '../../support/directory.ts';
import { SeededRandom } from '../../support/random.ts';
import { beginEvents, openWriter } from '../../support/stores.ts';

it('a step that is under way when the pool is closed ends by itself, and changes nothing', async () => {
  const dir = temporaryDirectory();
  const writer = openWriter(dir);
  const events = beginEvents(writer);
  const noise = new SeededRandom(1).bytes(100_000);
  while (segmentOf(writer.durableEnd) < 3) writer.appendEvents(events, [noise]);
  const pool = upkeepPool(100_000);
  const step = pool.run({ dataDir: dir });
  const outcome = expect(step).rejects.toThrow('given up');
  await pool.close();
  await outcome;
  const { chunks } = writer.paths;
  const { fs } = systemEnvironment;
  const made = fs.exists(chunks) ? fs.list(chunks).filter((name) => name.endsWith('.chunk')) : [];
  expect(made).toEqual([]);
  writer.close();
});
