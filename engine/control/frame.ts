/**
 * Frames of the control socket (`docs/format-control.md`): bytes that arrive in any pieces, from
 * anybody, to whole frames. Nothing is kept for a frame before somebody has made room for it.
 */
import { assert } from '../base/assert.ts';
import { CONTROL_FRAME_MAX_BYTES, CONTROL_HEAD_MAX_BYTES } from '../base/constants.ts';
import { HelicorderError } from '../base/errors.ts';

export interface Frame {
  /** what the JSON says, unchecked */
  head: unknown;
  payload: Uint8Array;
}

const LENGTH_BYTES = 4;
const HEAD_LENGTH_BYTES = 2;

export function protocolError(what: string, cause?: unknown): HelicorderError {
  return new HelicorderError('PROTOCOL', `control socket: ${what}`, { cause });
}

/** One frame, payload copied. */
export function encodeFrame(head: object, payload: Uint8Array = new Uint8Array(0)): Uint8Array {
  const json = new TextEncoder().encode(JSON.stringify(head));
  const length = HEAD_LENGTH_BYTES + json.length + payload.length;
  assert(json.length <= CONTROL_HEAD_MAX_BYTES, 'the head of a frame is small');
  assert(length <= CONTROL_FRAME_MAX_BYTES, 'a frame is bounded');
  const bytes = new Uint8Array(LENGTH_BYTES + length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, length, true);
  view.setUint16(LENGTH_BYTES, json.length, true);
  bytes.set(json, LENGTH_BYTES + HEAD_LENGTH_BYTES);
  bytes.set(payload, LENGTH_BYTES + HEAD_LENGTH_BYTES + json.length);
  return bytes;
}

/**
 * Call `push` with what has arrived, then `next` until it says undefined. If `wanted` is not 0
 * then, a frame was announced and waits for room: `admit` says that there is.
 */
export class FrameDecoder {
  readonly #length = new Uint8Array(LENGTH_BYTES);
  #lengthBytes = 0;
  #body: Uint8Array | undefined;
  #bodyBytes = 0;
  #wanted = 0;
  /** arrived, and not taken in yet: one piece, unless a frame waits for room */
  #rest: Uint8Array[] = [];

  /** Bytes of the announced frame that no room was made for yet. */
  get wanted(): number {
    return this.#wanted;
  }

  /** A frame has begun and not ended. */
  get isPartial(): boolean {
    return this.#lengthBytes > 0;
  }

  push(bytes: Uint8Array): void {
    if (bytes.length > 0) this.#rest.push(bytes);
  }

  admit(): void {
    assert(this.#wanted > 0, 'a frame waits for room');
    this.#body = new Uint8Array(this.#wanted);
    this.#bodyBytes = 0;
    this.#wanted = 0;
  }

  /**
   * The next whole frame, in memory of its own.
   * @throws PROTOCOL: nothing that follows can be understood either
   */
  next(): Frame | undefined {
    if (this.#wanted > 0) return undefined;
    if (this.#body === undefined) {
      this.#lengthBytes += this.#take(this.#length.subarray(this.#lengthBytes));
      if (this.#lengthBytes < LENGTH_BYTES) return undefined;
      this.#wanted = checkedLength(this.#length);
      return undefined;
    }
    this.#bodyBytes += this.#take(this.#body.subarray(this.#bodyBytes));
    if (this.#bodyBytes < this.#body.length) return undefined;
    const body = this.#body;
    this.#body = undefined;
    this.#lengthBytes = 0;
    return parseBody(body);
  }

  /** Moves what has arrived into `into`. @returns bytes moved */
  #take(into: Uint8Array): number {
    let done = 0;
    while (done < into.length && this.#rest.length > 0) {
      const [piece] = this.#rest as [Uint8Array];
      const count = Math.min(piece.length, into.length - done);
      into.set(piece.subarray(0, count), done);
      done += count;
      if (count === piece.length) this.#rest.shift();
      else this.#rest[0] = piece.subarray(count);
    }
    return done;
  }
}

function checkedLength(bytes: Uint8Array): number {
  const length = new DataView(bytes.buffer).getUint32(0, true);
  if (length >= HEAD_LENGTH_BYTES && length <= CONTROL_FRAME_MAX_BYTES) return length;
  throw protocolError(`a frame of ${length} bytes; ${CONTROL_FRAME_MAX_BYTES} are the most`);
}

function parseBody(body: Uint8Array): Frame {
  const headBytes = new DataView(body.buffer).getUint16(0, true);
  const payloadAt = HEAD_LENGTH_BYTES + headBytes;
  if (headBytes > CONTROL_HEAD_MAX_BYTES || payloadAt > body.length) {
    throw protocolError(`a head of ${headBytes} bytes in a frame of ${body.length}`);
  }
  return {
    head: parseJson(body.subarray(HEAD_LENGTH_BYTES, payloadAt)),
    payload: body.subarray(payloadAt),
  };
}

export function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (cause) {
    throw protocolError('what should be JSON is not', cause);
  }
}
