/** The control socket without our client: any bytes, and a handler that waits for the test. */
import { createConnection, type Socket } from 'node:net';
import { onTestFinished } from 'vitest';
import { FrameDecoder, encodeFrame, type Frame } from '../../engine/control/frame.ts';
import type { Answer, Request } from '../../engine/control/protocol.ts';
import type { ControlHandler } from '../../engine/control/server.ts';

export const HELLO = { type: 'hello', protocol: 'helicorder-control', version: 1 };

export class RawClient {
  readonly frames: Frame[] = [];
  readonly connected: Promise<void>;
  /** resolves when the other side has ended the connection, or refused it */
  readonly closed: Promise<void>;
  readonly #socket: Socket;
  readonly #decoder = new FrameDecoder();
  #onFrame: () => void = () => undefined;

  constructor(path: string) {
    const socket = createConnection({ path });
    this.#socket = socket;
    this.connected = new Promise((resolve) => {
      socket.once('connect', resolve);
      socket.once('close', resolve);
    });
    this.closed = new Promise((resolve) => socket.once('close', () => resolve()));
    socket.on('error', () => undefined);
    socket.on('data', (bytes: Buffer) => this.#take(bytes));
    onTestFinished(() => {
      socket.destroy();
    });
  }

  send(head: object, payload?: Uint8Array): void {
    this.write(encodeFrame(head, payload));
  }

  write(bytes: Uint8Array): void {
    this.#socket.write(bytes);
  }

  /** Reads nothing from now on. */
  stopReading(): void {
    this.#socket.pause();
  }

  kill(): void {
    this.#socket.destroy();
  }

  get writableLength(): number {
    return this.#socket.writableLength;
  }

  /** The head of the next frame, or undefined at the end. */
  async next(): Promise<Record<string, unknown> | undefined> {
    while (this.frames.length === 0) {
      const frame = new Promise<boolean>((resolve) => (this.#onFrame = () => resolve(true)));
      const isOver = await Promise.race([frame, this.closed.then(() => false)]);
      if (!isOver && this.frames.length === 0) return undefined;
    }
    return this.frames.shift()!.head as Record<string, unknown>;
  }

  #take(bytes: Uint8Array): void {
    this.#decoder.push(bytes);
    for (;;) {
      const frame = this.#decoder.next();
      if (frame) this.frames.push(frame);
      else if (this.#decoder.wanted > 0) this.#decoder.admit();
      else break;
    }
    this.#onFrame();
  }
}

interface Held {
  connection: number;
  request: Request;
  payload: Uint8Array;
  answer: (answer: Answer, payload?: Uint8Array) => void;
}

/** Answers `status` at once and keeps everything else until the test answers it. */
export class HoldingHandler implements ControlHandler {
  readonly held: Held[] = [];
  readonly left: number[] = [];
  statuses = 0;
  report = new TextEncoder().encode('{}');
  #onEvent: () => void = () => undefined;

  request(
    connection: number,
    request: Request,
    payload: Uint8Array,
    answer: (answer: Answer, payload?: Uint8Array) => void,
  ): void {
    if (request.type === 'status') {
      this.statuses++;
      answer({ type: 'report' }, this.report);
    } else {
      this.held.push({ connection, request, payload, answer });
    }
    this.#onEvent();
  }

  gone(connection: number): void {
    this.left.push(connection);
    this.#onEvent();
  }

  /** Resolves when it is so; looked at whenever something has happened here. */
  async until(isSo: () => boolean): Promise<void> {
    while (!isSo()) await new Promise<void>((resolve) => (this.#onEvent = resolve));
  }

  answerAll(): void {
    for (const { answer } of this.held.splice(0)) answer({ type: 'done' });
  }
}
