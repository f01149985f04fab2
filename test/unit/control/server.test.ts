/** What clients can do to the control socket, and what it costs the owner: nothing that matters. */
import { existsSync, mkdirSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it, onTestFinished, test } from 'vitest';
import { EVENT_MAX_BYTES, KIB, MIB } from '../../../engine/base/constants.ts';
import { ControlClient } from '../../../engine/control/client.ts';
import type { ControlLimits } from '../../../engine/control/connection.ts';
import { FrameDecoder, encodeFrame } from '../../../engine/control/frame.ts';
import { CONTROL_LIMITS, ControlServer } from '../../../engine/control/server.ts';
import { HELLO, HoldingHandler, RawClient } from '../../support/control.ts';
import { temporaryDirectory } from '../../support/directory.ts';

interface Served {
  path: string;
  handler: HoldingHandler;
  server: ControlServer;
  client: () => RawClient;
  /** a client that has said hello and been greeted */
  greeted: () => Promise<RawClient>;
}

async function serve(limits: Partial<ControlLimits> = {}, dir = temporaryDirectory()) {
  const path = join(dir, 'control');
  const handler = new HoldingHandler();
  const server = await ControlServer.listen(path, handler, { ...CONTROL_LIMITS, ...limits });
  onTestFinished(() => server.close(0));
  const client = (): RawClient => new RawClient(path);
  const greeted = async (): Promise<RawClient> => {
    const one = client();
    one.send(HELLO);
    expect(await one.next()).toMatchObject({ type: 'hello', version: 1 });
    return one;
  };
  return { path, handler, server, client, greeted } satisfies Served;
}

const HELLO_BACK = { type: 'hello', program: 'older' };
const append = (id: number): object => ({ type: 'append', id, run: '1' });

async function isServed({ path }: Served): Promise<void> {
  const client = await ControlClient.connect(path);
  expect(await client!.report({ type: 'status' })).toEqual({});
  client!.close();
}

function lengthOf(bytes: number): Uint8Array {
  const field = new Uint8Array(4);
  new DataView(field.buffer).setUint32(0, bytes, true);
  return field;
}

describe('the socket file', () => {
  it('is there for its user alone, and gone after a clean close', async () => {
    const served = await serve();
    expect(statSync(served.path).mode & 0o777).toBe(0o600);
    expect(existsSync(`${served.path}.new`)).toBe(false);
    await served.server.close();
    expect(existsSync(served.path)).toBe(false);
  });

  it('replaces a stale one, and what a killed owner left half made', async () => {
    const dir = temporaryDirectory();
    writeFileSync(join(dir, 'control'), 'stale');
    mkdirSync(join(dir, 'control.new'));
    writeFileSync(join(dir, 'control.new/s'), '');
    await isServed(await serve({}, dir));
  });

  it('may lie deeper than the kernel lets paths of sockets be', async () => {
    const dir = join(temporaryDirectory(), 'd'.repeat(120));
    mkdirSync(dir);
    await isServed(await serve({}, dir));
  });

  it('that nobody listens at is no owner', async () => {
    const dir = temporaryDirectory();
    expect(await ControlClient.connect(join(dir, 'control'))).toBeUndefined();
    writeFileSync(join(dir, 'control'), '');
    expect(await ControlClient.connect(join(dir, 'control'))).toBeUndefined();
  });
});

describe('a client that', () => {
  it.each([
    ['announces 1 GiB', lengthOf(2 ** 30)],
    ['announces a frame without a head', lengthOf(0)],
    ['sends garbage', new TextEncoder().encode('GET / HTTP/1.1\r\n\r\n')],
    ['sends JSON that is none', Uint8Array.of(...lengthOf(5), 3, 0, 0x7b, 0x7b, 0x7b)],
    ['skips the hello', encodeFrame({ type: 'status', id: 1 })],
    ['speaks another version', encodeFrame({ ...HELLO, version: 9 })],
    ['begins with a large frame', lengthOf(EVENT_MAX_BYTES)],
  ])('%s is told so and cut off', async (_, bytes) => {
    const served = await serve();
    const client = served.client();
    client.write(bytes);
    expect(await client.next()).toMatchObject({ type: 'failed', code: 'PROTOCOL', id: null });
    await client.closed;
    expect(served.server.sharedBytes).toBe(0);
    await isServed(served);
  });

  it('sends nonsense behind its hello is told so, and what it held is ended', async () => {
    const served = await serve();
    const client = await served.greeted();
    client.send({ type: 'format-the-disk', id: 1 });
    expect(await client.next()).toMatchObject({ type: 'failed', code: 'PROTOCOL' });
    await served.handler.until(() => served.handler.left.length === 1);
  });

  it('never says hello is cut off', async () => {
    const served = await serve({ helloMs: 30, frameMs: 20 });
    await served.client().closed;
    expect(served.server.connections).toBe(0);
  });

  it('stops in the middle of a frame is cut off, and its room given back', async () => {
    const served = await serve({ frameMs: 50 });
    const client = await served.greeted();
    client.write(encodeFrame(append(1), new Uint8Array(2 * MIB)).subarray(0, MIB));
    await client.closed;
    expect(served.server.sharedBytes).toBe(0);
    expect(served.handler.left).toHaveLength(1);
  });

  it('sends a byte at a time for longer than it may is cut off', async () => {
    const served = await serve({ frameMs: 100 });
    const client = await served.greeted();
    const bytes = encodeFrame(append(1), new Uint8Array(100_000));
    let sent = 0;
    const drip = setInterval(() => client.write(bytes.subarray(sent, ++sent)), 1);
    await client.closed;
    clearInterval(drip);
    expect(sent).toBeLessThan(bytes.length);
    expect(served.handler.held).toHaveLength(0);
  });

  it('is killed anywhere leaves no room taken', async () => {
    const served = await serve();
    const frame = encodeFrame(append(1), new Uint8Array(200_000));
    for (const part of [1, 4, 5, 50, 70_000, frame.length - 1, frame.length]) {
      const before = served.handler.left.length;
      const client = await served.greeted();
      client.write(frame.subarray(0, part));
      if (part === frame.length) await served.handler.until(() => served.handler.held.length > 0);
      client.kill();
      await served.handler.until(() => served.handler.left.length > before);
    }
    expect(served.server.sharedBytes).toBe(frame.length - 4);
    served.handler.answerAll();
    expect(served.server.sharedBytes).toBe(0);
  });

  it('never reads is not read from either, and cut off', async () => {
    const served = await serve({ unreadMs: 200, frameMs: 100 });
    served.handler.report = new Uint8Array(4 * KIB).fill(0x20);
    const client = await served.greeted();
    client.stopReading();
    for (let id = 0; id < 5000; id++) client.send({ type: 'status', id });
    await served.handler.until(() => served.handler.left.length === 1);
    // what the kernel takes in both directions, and 64 KiB here: far from 5000 reports of 4 KiB
    expect(served.handler.statuses).toBeLessThan(1000);
    served.handler.report = new TextEncoder().encode('{}');
    await isServed(served);
  });

  it('asks for nothing is cut off, unless it has a writer open', async () => {
    const served = await serve({ idleMs: 60, frameMs: 20 });
    const [idle, holder] = [await served.greeted(), await served.greeted()];
    holder.send({ type: 'open', id: 1, stream: 'a/b', writer: 'w' });
    await served.handler.until(() => served.handler.held.length === 1);
    const numbers = { run: 1, epoch: 1, lastSeq: 0, eventLimit: 1, groupLimit: 1 };
    served.handler.held[0]!.answer({ type: 'opened', ...numbers });
    expect(await holder.next()).toMatchObject({ type: 'opened', run: '1' });
    await idle.closed;
    await sleep(200);
    expect(served.server.connections).toBe(1);
  });
});

describe('many', () => {
  test('1000 clients at once: 64 are served, the others told or closed, then all is as before', async () => {
    const served = await serve();
    const clients = Array.from({ length: 1000 }, () => served.client());
    await Promise.all(clients.map((client) => client.connected));
    for (const client of clients) client.send(HELLO);
    const first = await Promise.all(clients.map((client) => client.next()));
    const count = (type: string | undefined): number =>
      first.filter((head) => head?.['type'] === type).length;
    expect(count('hello')).toBe(64);
    expect(first.filter((head) => head?.['code'] === 'OWNER_BUSY').length).toBe(count('failed'));
    expect(count('failed') + count(undefined)).toBe(936);
    expect(served.server.connections).toBe(64);
    for (const client of clients) client.kill();
    await served.handler.until(() => served.handler.left.length === 64);
    await isServed(served);
  });

  test('large frames share their memory in turns; small ones pass by', async () => {
    const served = await serve({ sharedBytes: 10 * MIB });
    const payload = new Uint8Array(4 * MIB);
    const clients = await Promise.all(Array.from({ length: 6 }, () => served.greeted()));
    for (const client of clients) client.send(append(1), payload);
    await served.handler.until(() => served.handler.held.length === 2);
    await isServed(served);
    expect(served.handler.held).toHaveLength(2);
    expect(served.server.sharedBytes).toBeLessThanOrEqual(10 * MIB);
    for (let done = 2; done <= 6; done += 2) {
      await served.handler.until(() => served.handler.held.length === 2);
      served.handler.answerAll();
    }
    for (const client of clients) expect(await client.next()).toEqual({ type: 'done', id: 1 });
    expect(served.server.sharedBytes).toBe(0);
  });

  test('requests of one client wait at the door beyond those it may have open', async () => {
    const served = await serve({ requests: 8 });
    const client = await served.greeted();
    for (let id = 0; id < 20; id++) client.send(append(id), new Uint8Array(1));
    await served.handler.until(() => served.handler.held.length === 8);
    await isServed(served);
    expect(served.handler.held).toHaveLength(8);
    for (let left = 20; left > 0; left--) {
      await served.handler.until(() => served.handler.held.length > 0);
      served.handler.held.shift()!.answer({ type: 'done' });
    }
    for (let id = 0; id < 20; id++) expect(await client.next()).toEqual({ type: 'done', id });
  });
});

describe('why something is refused', () => {
  it.each([1, 2])('is said in words to who knows them (version %i)', async (version) => {
    const served = await serve();
    const client = served.client();
    client.send({ ...HELLO, version });
    expect(await client.next()).toMatchObject({ type: 'hello', version });
    client.send({ type: 'txn-flush', id: 1, txn: '9-1' });
    await served.handler.until(() => served.handler.held.length === 1);
    const refused = { type: 'refused', outcome: 'ABORTED' } as const;
    const message = 'it is too old';
    served.handler.held.shift()!.answer({ ...refused, message });
    const said = version === 1 ? {} : { message };
    expect(await client.next()).toEqual({ ...refused, ...said, id: 1 });
  });
});

describe('an owner that closes', () => {
  it('answers what it has taken, then says so', async () => {
    const served = await serve();
    const client = await served.greeted();
    client.send(append(1), new Uint8Array(1));
    await served.handler.until(() => served.handler.held.length === 1);
    const closed = served.server.close();
    expect(existsSync(served.path)).toBe(false);
    served.handler.answerAll();
    await closed;
    expect(await client.next()).toEqual({ type: 'done', id: 1 });
    expect(await client.next()).toEqual({ type: 'closing' });
  });

  it('waits no longer than it may', async () => {
    const served = await serve({ closeMs: 30 });
    const client = await served.greeted();
    client.send(append(1), new Uint8Array(1));
    await served.handler.until(() => served.handler.held.length === 1);
    await served.server.close();
    expect(await client.next()).toBeUndefined();
  });
});

describe('our client', () => {
  it('speaks as an older owner does', async () => {
    const path = join(temporaryDirectory(), 'control');
    const asked: unknown[] = [];
    const older = createServer((socket) => {
      const decoder = new FrameDecoder();
      socket.on('data', (bytes: Buffer) => {
        decoder.push(bytes);
        decoder.next();
        decoder.admit();
        const { version } = decoder.next()!.head as { version: number };
        asked.push(version);
        if (version === 1) return socket.write(encodeFrame({ ...HELLO_BACK, version }));
        const message = `version ${version} is asked for, this is 1`;
        const failed = { type: 'failed', id: null, code: 'PROTOCOL', message };
        return socket.end(encodeFrame(failed));
      });
    });
    await new Promise<void>((resolve) => older.listen(path, resolve));
    onTestFinished(() => void older.close());
    const client = (await ControlClient.connect(path))!;
    expect({ asked, version: client.version }).toEqual({ asked: [2, 1], version: 1 });
    client.close();
  });

  it('tells what it was refused with, and goes on', async () => {
    const served = await serve();
    const client = (await ControlClient.connect(served.path))!;
    const asked = client.ask({ type: 'remove', stream: 'a/b' }, 'done');
    await served.handler.until(() => served.handler.held.length === 1);
    const failure = { type: 'failed', code: 'NO_SUCH_STREAM', message: 'no stream a/b' } as const;
    served.handler.held.pop()!.answer(failure);
    await expect(asked).rejects.toMatchObject({ code: 'NO_SUCH_STREAM', message: 'no stream a/b' });
    expect(await client.report({ type: 'status' })).toEqual({});
    client.close();
  });

  it('is told of a wait', async () => {
    const served = await serve();
    const told: string[] = [];
    const client = (await ControlClient.connect(served.path, (message) => told.push(message)))!;
    const asked = client.ask({ type: 'append', run: 1 }, 'done', new Uint8Array(1));
    await served.handler.until(() => served.handler.held.length === 1);
    served.server.tellWaiting('the disk is full');
    served.handler.answerAll();
    await asked;
    expect(told).toEqual(['the disk is full']);
    client.close();
  });

  it('fails what was not answered when the owner goes', async () => {
    const served = await serve();
    const client = (await ControlClient.connect(served.path))!;
    const asked = client.ask({ type: 'append', run: 1 }, 'done', new Uint8Array(1));
    await served.handler.until(() => served.handler.held.length === 1);
    await Promise.all([
      expect(asked).rejects.toMatchObject({ code: 'DISCONNECTED' }),
      expect(client.ended).rejects.toMatchObject({ code: 'DISCONNECTED' }),
      served.server.close(0),
    ]);
    await expect(client.ask({ type: 'status' }, 'report')).rejects.toMatchObject({
      code: 'DISCONNECTED',
    });
  });
});
