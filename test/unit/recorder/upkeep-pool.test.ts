/** The pool's thread by itself, over a store with segments to seal. */
import { expect, it, onTestFinished } from 'vitest';
import { systemEnvironment } from '../../../engine/store/store.ts';
import { segmentOf } from '../../../engine/store/entries/format.ts';
import { upkeepPool } from '../../../engine/threads/pool.ts';
import { temporaryDirectory } from '../../support/directory.ts';
import { SeededRandom } from '../../support/random.ts';
import { beginEvents, openWriter } from '../../support/stores.ts';
import type { StoreWriter } from '../../../engine/store/write/writer.ts';

/** A store with two segments that can be sealed. */
function storeToSeal(): StoreWriter {
  const writer = openWriter(temporaryDirectory());
  const events = beginEvents(writer);
  const noise = new SeededRandom(1).bytes(100_000);
  while (segmentOf(writer.durableEnd) < 3) writer.appendEvents(events, [noise]);
  return writer;
}

it('a step that is under way when the pool is closed ends by itself, and changes nothing', async () => {
  const writer = storeToSeal();
  const pool = upkeepPool(100_000);
  const step = pool.run({ dataDir: writer.paths.dir });
  const outcome = expect(step).rejects.toThrow('given up');
  await pool.close();
  await outcome;
  const { chunks } = writer.paths;
  const { fs } = systemEnvironment;
  const made = fs.exists(chunks) ? fs.list(chunks).filter((name) => name.endsWith('.chunk')) : [];
  expect(made).toEqual([]);
  writer.close();
});

it('seals, whatever options of V8 the process was started with', async () => {
  const before = [...process.execArgv];
  onTestFinished(() => void (process.execArgv = before));
  process.execArgv = [...before, '--max-old-space-size=512'];
  const writer = storeToSeal();
  const pool = upkeepPool();
  expect(await pool.run({ dataDir: writer.paths.dir })).toMatchObject({ did: 'sealed' });
  await pool.close();
  writer.close();
});
