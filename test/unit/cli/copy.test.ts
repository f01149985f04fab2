/** `stream cp` and `stream-to-stream`: what their words ask the engine for, and what they print. */
import { describe, expect, test } from 'vitest';
import { call } from '../../support/program.ts';

const report = {
  ...{ cursor: 'cp-a.b-1', base: 0, nextOffset: 7 },
  ...{ records: 7, transactions: 2, done: true },
};

async function asked(words: string): Promise<Record<string, unknown> & { text: string }> {
  let options: Record<string, unknown> = {};
  const copyStream = (given: Record<string, unknown>): Promise<typeof report> => {
    options = given;
    return Promise.resolve(report);
  };
  const { code, out, err } = await call(words, { copyStream });
  return { ...options, code, text: out + err };
}

describe('stream cp', () => {
  test('a stream under its own name into another store', async () => {
    const options = await asked('stream cp a/b --data-dir x --to-data-dir y --json');
    const names = { dataDir: 'x', from: 'a/b', toDataDir: 'y', to: 'a/b' };
    expect(options).toMatchObject({ code: 0, ...names });
    expect(options['begin']).toBeUndefined();
    expect(JSON.parse(options.text)).toEqual({
      ...{ from: 'a/b', to: 'a/b', cursor: 'cp-a.b-1', base: '0', nextOffset: '7' },
      ...{ records: '7', transactions: '2', done: true },
    });
  });

  test('where it begins and ends, how fast, and in what pieces', async () => {
    const options = await asked(
      'stream cp a/b c/d --from 10 --to 20 --bandwidth 1MiB --batch-records 5 --cursor own',
    );
    const range = { begin: 10, end: 20, bytesPerSecond: 2 ** 20, batchRecords: 5, cursor: 'own' };
    expect(options).toMatchObject({ code: 0, to: 'c/d', ...range });
    expect(options['follow']).toBeUndefined();
  });

  test('what it keeps, and what becomes of it; in both words', async () => {
    const transform = { transform: { file: 't.js', options: { least: 2 } } };
    const given = ['--where', 'X>2', '--transform', 't.js', '--transform-options', '{"least":2}'];
    for (const words of [
      'stream cp a/b --to-data-dir y',
      'stream-to-stream --input-stream a/b --output-controller y',
    ]) {
      const options = await asked(`${words} ${given.join(' ')}`);
      expect(options).toMatchObject({ code: 0, where: 'X>2', ...transform });
    }
  });

  test.each([
    ['stream cp a/b --transform-options {}', 'needs a --transform'],
    ['stream cp a/b --transform t.js --transform-options 7', 'expected a JSON object'],
    ['stream cp', "missing required argument 'source'"],
    ['stream cp a', 'scope/name'],
    ['stream cp a/b --follow --to 7', '--follow has no --to'],
    ['stream cp a/b --bandwidth fast', 'expected a size, such as 1MiB'],
    ['stream cp a/b --from soon', 'expected start, tail or an offset'],
    ['stream cp a/b --batch-records 0', 'expected a whole number from 1'],
    ['stream cp a/b --cursor a~b', '"a~b" is not the name of a cursor'],
    ['stream cp a/b --cursor=', '"" is not the name of a cursor'],
  ])('%s is refused', async (words, sentence) => {
    const { code, text } = await asked(words);
    expect(text).toContain(sentence);
    expect(code).toBe(64);
  });
});

describe('stream-to-stream', () => {
  test('streams of a scope, one-shot unless told otherwise', async () => {
    const words = 'stream-to-stream --scope s --input-stream a --output-stream t/b';
    const once = await asked(`${words} --output-controller /mnt/edge --data-dir x`);
    const ends = { dataDir: 'x', from: 's/a', toDataDir: '/mnt/edge', to: 't/b' };
    expect(once).toMatchObject({ code: 0, ...ends });
    expect(once['begin']).toBeUndefined();
    expect(once['follow']).toBeUndefined();
    const follow = await asked(`${words} --input-endAtTail false --input-startAtTail`);
    expect(follow).toMatchObject({ follow: true, begin: 'tail' });
  });

  test('between two positions, or without bounds', async () => {
    const words =
      'stream-to-stream --input-stream a/b --output-controller y --input-startStreamCut';
    const some = await asked(`${words} 10 --input-endStreamCut 20`);
    expect(some).toMatchObject({ code: 0, begin: 10, end: 20 });
    const all = await asked(`${words} UNBOUNDED --input-endStreamCut UNBOUNDED`);
    expect([all['code'], all['begin'], all['end']]).toEqual([0, undefined, undefined]);
  });

  test.each(['stream cp a/b c/d', 'stream-to-stream --input-stream a/b'])(
    '%s gives what it copies a routing key, if there is one',
    async (words) => {
      const given = await asked(`${words} --fixedRoutingKey rig-7`);
      expect(given).toMatchObject({ code: 0, routingKey: 'rig-7' });
      const { code, text, routingKey } = await asked(`${words} --fixedRoutingKey=`);
      expect([code, routingKey, text.includes('no meaning')]).toEqual([0, undefined, false]);
    },
  );

  test('what has no meaning here is named in one line', async () => {
    const { code, text } = await asked(
      'stream-to-stream --input-stream a/b --parallelism 2 --rebalance --flatten false',
    );
    expect(code).toBe(0);
    expect(text).toContain('has no meaning here: --parallelism, --rebalance\n');
  });

  test.each([
    ['stream-to-stream', '--input-stream is missing'],
    ['stream-to-stream --input-stream a/b --controller tcp://x:9090', 'still to come'],
    ['stream-to-stream --input-stream a', 'scope/name'],
    ['stream-to-stream --input-stream a/b --checkpointIntervalMs 3600001', 'at most 3600000'],
    ['stream-to-stream --input-stream a/b --follow --input-endAtTail', 'one or the other'],
    ['stream-to-stream --input-stream a/b --flatten', '--flatten is not to be had here'],
    ['stream-to-stream --input-stream a/b --keyFieldNames id', 'each record once by itself'],
  ])('%s is refused', async (words, sentence) => {
    const { code, text } = await asked(words);
    expect(text).toContain(sentence);
    expect(code).toBe(64);
  });
});
