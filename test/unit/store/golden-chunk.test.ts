/** The chunk of version 1 as it lies on disks: `support/golden-chunk.ts` says what it holds. */
import { readFileSync } from 'node:fs';
import { crc32 } from 'node:zlib';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { CODEC } from '../../../engine/codecs/codec.ts';
import type { SampleBatch } from '../../../engine/batch/samples.ts';
import { parseSchema } from '../../../engine/batch/schema.ts';
import { checkChunk } from '../../../engine/store/chunks/check.ts';
import { ChunkReader } from '../../../engine/store/chunks/chunk-reader.ts';
import { DirectoryPlace } from '../../../engine/store/chunks/directory-place.ts';
import { chunkName, type BlockRow } from '../../../engine/store/chunks/format.ts';
import type { DataItem } from '../../../engine/store/entries/data-item.ts';
import { hex } from '../../../engine/base/bytes.ts';
import { decodeItem } from '../../../engine/store/read/stream-item.ts';
import { makeGoldenChunk } from '../../support/golden-chunk.ts';
import { SimulatedFileSystem } from '../../support/simulated-file-system.ts';

const NAME = '00000000004294967296-00000000008589934592.chunk';
const fixture = (name: string): string =>
  fileURLToPath(new URL(`../../fixtures/chunk-v1/${name}`, import.meta.url));

async function open(fs: SimulatedFileSystem, dir: string, name: string): Promise<ChunkReader> {
  const chunk = await ChunkReader.open(new DirectoryPlace(fs, dir), name, undefined);
  expect(chunk, name).toBeDefined();
  return chunk!;
}

/** The fixture's bytes, changed or not, as a chunk of a place. */
function fixtureIn(bytes = readFileSync(fixture(NAME))): SimulatedFileSystem {
  const fs = new SimulatedFileSystem();
  fs.makeDirectory('/place');
  fs.writeFileDurably(`/place/${NAME}`, bytes);
  return fs;
}

const plain = (value: unknown): unknown =>
  JSON.parse(JSON.stringify(value, (_, one: unknown) => printable(one)));

function printable(value: unknown): unknown {
  if (typeof value === 'bigint') return String(value);
  if (value instanceof Uint8Array) {
    return value.length > 100 ? `${value.length} bytes, CRC ${crc32(value)}` : hex(value);
  }
  return ArrayBuffer.isView(value) ? Array.from(value as unknown as ArrayLike<unknown>) : value;
}

/** Everything a chunk says. What is only chance or clock in it stands apart, as `made`. */
async function contentOf(chunk: ChunkReader) {
  const streams: object[] = [];
  const epochs: number[] = [];
  for (const row of chunk.table) {
    const directory = await chunk.directory(row.stream);
    const blocks: object[] = [];
    for (const block of directory?.blocks ?? []) {
      const items = await chunk.items(row.stream, block);
      const runs = directory!.runs;
      const decoded = items.map((item) => {
        const run = runs.find(({ id }) => id === item.run)!;
        epochs.push(run.epoch);
        const { schema } = directory!.schemas.find(({ id }) => id === run.schemaId)!;
        const { info: _, ...rest } = decodeItem(item, { run, schema: parseSchema(schema) });
        if (rest.kind === 'samples') Object.assign(rest, { batch: allOf(rest.batch) });
        return { codecs: codecsOf(item), run: item.run, lastTick: item.lastTick, ...rest };
      });
      blocks.push({ ...factsOf(block), items: decoded });
    }
    const { stream, nextOffset, firstOffset } = row;
    const names = { name: directory?.stream.name, schemas: directory?.schemas };
    streams.push({ stream, nextOffset, firstOffset, ...names, blocks });
  }
  const { storeId, createdNanos } = chunk.header;
  const { firstNanos, lastNanos, fileBytes } = chunk.trailer;
  const made = { storeId: hex(storeId), createdNanos, firstNanos, lastNanos, fileBytes, epochs };
  return { name: chunkName(chunk.range), streams, made };
}

/** With what is worked out when it is asked for. */
function allOf(batch: SampleBatch): object {
  return { ...batch, ticks: batch.ticks, latenessNanos: batch.latenessNanos };
}

function factsOf({ kind, run, firstOffset, records, samples, ticks, lastTick }: BlockRow): object {
  return { kind, run, firstOffset, records, samples, ticks, lastTick };
}

function codecsOf({ content }: DataItem): number[] {
  if (content.kind !== 'batch') return [];
  return [content.times.time, ...content.batch.columns].map(({ codec }) => codec);
}

/** Events bear the time at which the golden clock was read last. */
const comparable = (content: { streams: object[] }): unknown =>
  JSON.parse(JSON.stringify(content.streams).replace(/"utcNanos":"\d+"/g, '"utcNanos":"…"'));

describe('the golden chunk of version 1', () => {
  let bytes: Buffer;
  let expected: { name: string; streams: object[]; made: object };
  beforeAll(() => {
    bytes = readFileSync(fixture(NAME));
    expected = JSON.parse(readFileSync(fixture('expected.json'), 'utf8')) as typeof expected;
  });

  it('is read, every number in it', async () => {
    const chunk = await open(fixtureIn(), '/place', NAME);
    expect(plain(await contentOf(chunk))).toEqual(expected);
    await checkChunk(chunk, (error) => expect.fail(String(error)));
  });

  it('holds every codec, both kinds of blocks, both forms of packs', async () => {
    const chunk = await open(fixtureIn(), '/place', NAME);
    const codecs = new Set<number>();
    const forms = new Set<string>();
    for (const { stream } of chunk.table) {
      for (const row of (await chunk.directory(stream))?.blocks ?? []) {
        const form = row.kind === 2 ? (await chunk.blockBytes(row))[0] : '';
        forms.add(`${row.kind}/${form}`);
        for (const item of await chunk.items(stream, row))
          codecsOf(item).forEach((c) => codecs.add(c));
      }
    }
    expect([...codecs].sort((a, b) => a - b)).toEqual(Object.values(CODEC).sort((a, b) => a - b));
    expect([...forms].sort()).toEqual(['1/', '2/1', '2/2']);
  });

  it('has no byte that could change unseen', async () => {
    for (let at = 0; at < bytes.length; at += 1 + (at % 97)) {
      const changed = Buffer.from(bytes);
      changed[at]! ^= 1 << (at % 8);
      const place = new DirectoryPlace(fixtureIn(changed), '/place');
      const errors: unknown[] = [];
      const chunk = await ChunkReader.open(place, NAME, undefined).catch((error: unknown) => {
        errors.push(error);
        return undefined;
      });
      if (chunk) await checkChunk(chunk, (error) => errors.push(error));
      expect(errors, `byte ${at}`).not.toEqual([]);
    }
  });

  it('reads as what is sealed today', async () => {
    const { fs, name } = await makeGoldenChunk();
    const content = plain(await contentOf(await open(fs, '/store/chunks', name)));
    expect(comparable(content as typeof expected)).toEqual(comparable(expected));
  });
});
