/**
 * The owner's end of one client's connection: frames in, requests to the handler, replies out.
 * It reads on only while there is room for what comes, and while the client reads its replies.
 */
import type { Socket } from 'node:net';
import { VERSION } from '../base/version.ts';
import type { Budget } from './budget.ts';
import { FrameDecoder, encodeFrame, protocolError, type Frame } from './frame.ts';
import {
  CONTROL_OLDEST_VERSION,
  answerIn,
  encodeHead,
  failureOf,
  parseHello,
  parseRequest,
  type Answer,
  type Request,
} from './protocol.ts';

/** See `docs/format-control.md`, Limits. Times in ms. */
export interface ControlLimits {
  connections: number;
  requests: number;
  ownBytes: number;
  sharedBytes: number;
  unreadBytes: number;
  helloMs: number;
  frameMs: number;
  unreadMs: number;
  idleMs: number;
  closeMs: number;
}

export interface ConnectionEvents {
  /** Answers once, at any time. The payload belongs to the handler. */
  request: (
    request: Request,
    payload: Uint8Array,
    answer: (answer: Answer, payload?: Uint8Array) => void,
  ) => void;
  closed: () => void;
}

export class Connection {
  readonly #socket: Socket;
  readonly #shared: Budget;
  readonly #limits: ControlLimits;
  readonly #events: ConnectionEvents;
  readonly #decoder = new FrameDecoder();
  #leaveLine: () => void = () => undefined;
  #isInLine = false;
  /** of the frame being received, until it is answered */
  #reserved = { own: 0, shared: 0 };
  #ownBytes = 0;
  #unanswered = 0;
  #isGreeted = false;
  /** of the protocol, as the client speaks it */
  #version = CONTROL_OLDEST_VERSION;
  #holdsWriter = false;
  #isEnding = false;
  #isClosed = false;
  #onAnswered: () => void = () => undefined;
  /** since when, ms: the frame has begun · nothing was read by the client · nothing was asked */
  readonly #since: { frame: number; unread: number; idle: number };
  /** frames taken, and when last looked at, with the bytes the client has read */
  #frames = 0;
  #seen = { frames: 0, sentBytes: 0 };

  constructor(
    socket: Socket,
    shared: Budget,
    limits: ControlLimits,
    events: ConnectionEvents,
    nowMs: number,
  ) {
    this.#socket = socket;
    this.#shared = shared;
    this.#limits = limits;
    this.#events = events;
    this.#since = { frame: nowMs, unread: nowMs, idle: nowMs };
    socket.on('data', (bytes: Buffer) => {
      this.#decoder.push(bytes);
      this.#pump();
    });
    socket.on('drain', () => this.#pump());
    // the end of a client's words is the end of the client: it has nobody to answer to
    socket.on('end', () => this.cut());
    socket.on('error', () => this.cut());
    socket.on('close', () => this.cut());
  }

  get unanswered(): number {
    return this.#unanswered;
  }

  /** Takes what has arrived, as far as there is room for it. */
  #pump(): void {
    if (this.#isEnding || this.#isClosed) return;
    try {
      while (this.#hasRoom()) {
        const frame = this.#decoder.next();
        if (frame) this.#take(frame);
        else if (this.#decoder.wanted === 0) return void this.#socket.resume();
        else if (!this.#reserve(this.#decoder.wanted)) break;
        if (this.#isEnding) return;
      }
      this.#socket.pause();
    } catch (error) {
      this.#refuse(error);
    }
  }

  #hasRoom(): boolean {
    const { requests, unreadBytes } = this.#limits;
    if (this.#isInLine || this.#unanswered >= requests) return false;
    return this.#socket.writableLength <= unreadBytes;
  }

  /** @returns false if the announced frame has to wait for its turn */
  #reserve(bytes: number): boolean {
    if (!this.#isGreeted && bytes > this.#limits.ownBytes) throw protocolError('a hello is small');
    if (this.#ownBytes + bytes <= this.#limits.ownBytes) {
      this.#ownBytes += bytes;
      this.#reserved = { own: bytes, shared: 0 };
      this.#decoder.admit();
      return true;
    }
    this.#isInLine = true;
    let isNow = true;
    this.#leaveLine = this.#shared.reserve(bytes, () => {
      this.#isInLine = false;
      this.#reserved = { own: 0, shared: bytes };
      this.#decoder.admit();
      if (!isNow) this.#pump();
    });
    isNow = false;
    return !this.#isInLine;
  }

  #take(frame: Frame): void {
    const room = this.#reserved;
    this.#reserved = { own: 0, shared: 0 };
    this.#frames++;
    if (!this.#isGreeted) {
      this.#free(room);
      const { version } = parseHello(frame);
      this.#isGreeted = true;
      this.#version = version;
      return this.send({ type: 'hello', version, program: VERSION });
    }
    let request: Request;
    try {
      request = parseRequest(frame);
    } catch (error) {
      this.#free(room);
      throw error;
    }
    this.#unanswered++;
    this.#events.request(request, frame.payload, (answer, payload) => {
      this.#unanswered--;
      this.#free(room);
      if (answer.type === 'opened' || answer.type === 'position') this.#holdsWriter = true;
      this.send({ ...answerIn(this.#version, answer), id: request.id }, payload);
      this.#onAnswered();
      this.#pump();
    });
  }

  #free({ own, shared }: { own: number; shared: number }): void {
    this.#ownBytes -= own;
    if (shared > 0) this.#shared.release(shared);
  }

  send(message: object, payload?: Uint8Array): void {
    if (this.#isClosed) return;
    this.#socket.write(encodeFrame(encodeHead(message), payload));
  }

  /** What came cannot be understood, and so cannot what would follow. */
  #refuse(error: unknown): void {
    this.send({ ...failureOf(error), id: null });
    this.#end();
  }

  /** Sends what is to be sent, then closes. */
  #end(): void {
    this.#isEnding = true;
    this.#socket.end(() => this.cut());
  }

  /** Takes nothing more; resolves when all that was taken is answered and sent. */
  async close(): Promise<void> {
    this.#isEnding = true;
    this.#socket.pause();
    while (this.#unanswered > 0 && !this.#isClosed) {
      await new Promise<void>((resolve) => (this.#onAnswered = resolve));
    }
    if (this.#isClosed) return;
    this.send({ type: 'closing' });
    await new Promise<void>((resolve) => {
      this.#socket.once('close', resolve);
      this.#end();
    });
  }

  /** Closes at once. */
  cut(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#isInLine = false;
    this.#leaveLine();
    this.#free(this.#reserved);
    this.#reserved = { own: 0, shared: 0 };
    this.#socket.destroy();
    this.#onAnswered();
    this.#events.closed();
  }

  /** Has the client been too slow, or silent for too long? Called about once a second. */
  isOverdue(nowMs: number): boolean {
    const [since, seen] = [this.#since, this.#seen];
    const { helloMs, frameMs, unreadMs, idleMs } = this.#limits;
    const waitsForUs = this.#unanswered > 0 || !this.#hasRoom();
    const hasMoved = this.#frames > seen.frames;
    if (!this.#decoder.isPartial || waitsForUs || hasMoved) since.frame = nowMs;
    if (this.#holdsWriter || waitsForUs || hasMoved) since.idle = nowMs;
    const sentBytes = this.#socket.bytesWritten - this.#socket.writableLength;
    const hasRead = this.#socket.writableLength === 0 || sentBytes > seen.sentBytes;
    if (hasRead) since.unread = nowMs;
    this.#seen = { frames: this.#frames, sentBytes };
    return (
      nowMs - since.frame > frameMs ||
      nowMs - since.unread > unreadMs ||
      nowMs - since.idle > (this.#isGreeted ? idleMs : helloMs)
    );
  }
}
