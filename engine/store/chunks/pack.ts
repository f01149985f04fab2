/** Pack blocks: events and gap entries of one stream, one after the other, compressed as one. */
import { deflateRawSync, inflateRawSync } from 'node:zlib';
import { ByteReader, ByteWriter } from '../../base/bytes.ts';
import { EVENTS_RAW_MAX_BYTES } from '../../batch/format.ts';
import { PACKED, PACK_CONTENT_BYTES } from './format.ts';

export interface PackedEntry {
  kind: number;
  payload: Uint8Array;
}

const CONTENT_MAX_BYTES = PACK_CONTENT_BYTES + EVENTS_RAW_MAX_BYTES;

export function encodePack(entries: readonly PackedEntry[]): Uint8Array {
  const writer = new ByteWriter();
  writer.varint(entries.length);
  for (const { kind, payload } of entries) {
    writer.u8(kind);
    writer.varint(payload.length);
    writer.put(payload);
  }
  const content = writer.finish();
  const deflated = deflateRawSync(content);
  const block = new ByteWriter();
  if (deflated.length >= content.length) {
    block.u8(PACKED.plain);
    block.put(content);
  } else {
    block.u8(PACKED.deflate);
    block.varint(content.length);
    block.put(deflated);
  }
  return block.finish();
}

/** Throws DAMAGED unless the bytes are exactly a pack. */
export function decodePack(block: Uint8Array): PackedEntry[] {
  const reader = new ByteReader(contentOf(block), 'pack block');
  const entries: PackedEntry[] = [];
  for (let left = reader.countOfItems(2); left > 0; left--) {
    const kind = reader.u8();
    entries.push({ kind, payload: reader.take(reader.count()) });
  }
  reader.end();
  return entries;
}

function contentOf(block: Uint8Array): Uint8Array {
  const reader = new ByteReader(block, 'pack block');
  const form = reader.u8();
  if (form === PACKED.plain) return reader.rest();
  if (form !== PACKED.deflate) throw reader.fail(`form ${form} is unknown`);
  const length = reader.count();
  if (length > CONTENT_MAX_BYTES) throw reader.fail(`${length} bytes of content`);
  const content = inflated(reader, length);
  if (content.length !== length) throw reader.fail('a wrong length of content');
  return content;
}

function inflated(reader: ByteReader, length: number): Uint8Array {
  try {
    return inflateRawSync(reader.rest(), { maxOutputLength: length });
  } catch (cause) {
    throw reader.fail(`cannot be inflated: ${String(cause)}`);
  }
}
