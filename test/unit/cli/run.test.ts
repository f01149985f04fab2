/** What signals do to `run`, and how it ends. */
import { describe, expect, test, vi } from 'vitest';
import { systemClock } from '../../../engine/base/clock.ts';
import { HelicorderError } from '../../../engine/base/errors.ts';
import type { RecorderConfig } from '../../../engine/config/config.ts';
import type { RecorderSummary } from '../../../engine/tools/types.ts';
import { main } from '../../../cli/program.ts';
import { call, processWith } from '../../support/program.ts';

const SUMMARY: RecorderSummary = {
  samples: '10',
  ticksScheduled: '12',
  gaps: [{ reason: 'late', ticks: '2' }],
  seconds: 1,
  clean: true,
};

interface RunningRecorder {
  status(): never;
  on(): void;
  stop(): Promise<RecorderSummary>;
  readonly finished: Promise<RecorderSummary>;
}

function recorderThat(run: (config: RecorderConfig) => Promise<RecorderSummary>) {
  return {
    start: (config: RecorderConfig) =>
      Promise.resolve({
        status: (): never => {
          throw new Error('no status is due yet');
        },
        on: () => undefined,
        stop: () => Promise.resolve(SUMMARY),
        finished: run(config),
      }),
  };
}

describe('run', () => {
  test('flags reach the recorder, the summary goes to stderr', async () => {
    const seen: RecorderConfig[] = [];
    const Recorder = recorderThat((config) => {
      seen.push(config);
      return Promise.resolve(SUMMARY);
    });
    const words = 'run --data-dir /d --source synthetic --count 2 --flush-ms 50';
    const { code, out, err } = await call(words, { Recorder });
    expect([code, out]).toEqual([0, '']);
    expect(seen[0]).toMatchObject({ dataDir: '/d', flushIntervalMs: 50 });
    expect(seen[0]?.sources).toHaveLength(2);
    expect(err).toContain('10 samples of 12 ticks scheduled, gaps: late 2');
  });

  test('stdout that cannot be written is no reason to stop, but exit 74', async () => {
    const full = new HelicorderError('OUTPUT', 'standard output cannot be written: ENOSPC');
    const stdout = {
      ...{ isTTY: false, columns: undefined, rows: undefined },
      write: () => Promise.reject(full),
    };
    const running = await recorderThat(() => Promise.resolve(SUMMARY)).start({} as RecorderConfig);
    const recorder = { ...running, status: () => ({ state: 'stopped', warnings: [] }) };
    const Recorder = { start: () => Promise.resolve(recorder) };
    const { code, err } = await call('run --json', { Recorder }, { stdout });
    expect(code).toBe(74);
    expect(err).toContain('stopped cleanly after');
    expect(err).not.toMatch(/disk that holds the store/);
  });

  test('a dead worker ends it with an error, never silently', async () => {
    const died = new HelicorderError('WORKER_DIED', 'the writer worker died');
    const { code, err } = await call('run', { Recorder: recorderThat(() => Promise.reject(died)) });
    expect(code).toBe(70);
    expect(err).toContain('the writer worker died');
  });

  /** A run that ends when `finish` is resolved; `started` is resolved once signals reach it. */
  function startRun() {
    const stops: 'stop'[] = [];
    const finish = deferred<RecorderSummary>();
    const started = deferred<void>();
    const recorder: RunningRecorder = {
      status: () => {
        throw new Error('no status is due yet');
      },
      on: () => undefined,
      stop: () => {
        stops.push('stop');
        return finish.promise;
      },
      get finished() {
        started.resolve();
        return finish.promise;
      },
    };
    const start = deferred<RunningRecorder>();
    const starting = deferred<void>();
    const Recorder = {
      start: () => {
        starting.resolve();
        return start.promise;
      },
    };
    const process = processWith({ Recorder });
    const ended = main(['run'], process.io, '1');
    return {
      ...{ process, ended, stops, finish },
      starting: starting.promise,
      start: () => {
        start.resolve(recorder);
        return started.promise;
      },
    };
  }

  test('the first signal stops once, a repetition within 500 ms is the same signal', async () => {
    const { process, ended, stops, finish, start } = startRun();
    const now = vi.spyOn(performance, 'now');
    await start();
    now.mockReturnValue(1000);
    process.signal('SIGTERM');
    now.mockReturnValue(1500);
    process.signal('SIGTERM');
    now.mockRestore();
    finish.resolve(SUMMARY);
    expect(await ended).toBe(0);
    expect([stops, process.exits]).toEqual([['stop'], []]);
  });

  test('a second signal after 500 ms ends the process at once', async () => {
    const { process, ended, finish, start } = startRun();
    const reading = systemClock.read();
    const clock = vi.spyOn(systemClock, 'read');
    await start();
    for (const ms of [1000n, 1501n]) {
      clock.mockReturnValue({ ...reading, monotonicNanos: ms * 1_000_000n });
      process.signal('SIGINT');
    }
    clock.mockRestore();
    expect(process.exits).toEqual([130]);
    finish.resolve(SUMMARY);
    await ended;
  });

  test('a signal during the start stops the recorder as soon as it runs', async () => {
    const { process, ended, stops, finish, starting, start } = startRun();
    await starting;
    process.signal('SIGTERM');
    expect(stops).toEqual([]);
    await start();
    expect(stops).toEqual(['stop']);
    finish.resolve(SUMMARY);
    expect(await ended).toBe(0);
  });
});

function deferred<T>() {
  let resolve!: (value: T) => void;
  const promise = new Promise<T>((settle) => (resolve = settle));
  return { promise, resolve };
}
