/** How the rows of the catalog are spread over flushes, in the time that they may lag. */
import { describe, expect, test } from 'vitest';
import { CATALOG_MAX_LAG_MS } from '../../../engine/base/constants.ts';
import { Checkpoints } from '../../../engine/collector/checkpoints.ts';
import type { Catalog } from '../../../engine/store/state/catalog.ts';
import type { StoreWriter } from '../../../engine/store/write/writer.ts';

const STREAMS = 1024;

/** What a checkpoint is made of: a row for each stream and run, all of them changed. */
class Rows {
  left = 0;
  /** ms, and how many rows were written then */
  readonly written: [number, number][] = [];
  now = 0;

  get hasRest(): boolean {
    return this.left > 0;
  }

  checkpoint(_state: unknown, _end: unknown, most: number): void {
    if (this.left === 0) this.left = 2 * STREAMS;
    const rows = Math.min(most, this.left);
    this.left -= rows;
    this.written.push([this.now, rows]);
  }
}

function played(flushMs: number): Rows {
  const rows = new Rows();
  const state = { streams: new Map(), runs: new Map() };
  for (let id = 0; id < STREAMS; id++) {
    state.streams.set(id, undefined);
    state.runs.set(id, undefined);
  }
  const writer = { state, durableEnd: 0, keepMark: () => {} } as unknown as StoreWriter;
  const checkpoints = new Checkpoints(writer, rows as unknown as Catalog);
  for (rows.now = 5000; rows.now < 25_000; rows.now += flushMs) checkpoints.step(rows.now);
  return rows;
}

describe('checkpoints of the catalog', () => {
  test('beside frequent flushes are a few rows behind each', () => {
    const { written } = played(10);
    for (const [ms, rows] of written) expect(rows, `at ${ms} ms`).toBeLessThan(100);
  });

  test.each([1, 10, 100, 250, 1000])('keep up with a flush each %d ms', (flushMs) => {
    const { written } = played(flushMs);
    const sum = written.reduce((all, [, rows]) => all + rows, 0);
    const seconds = 20_000 / Math.max(CATALOG_MAX_LAG_MS, flushMs);
    expect(sum).toBeGreaterThan((seconds - 2) * 2 * STREAMS);
  });
});
