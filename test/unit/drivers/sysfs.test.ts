import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import type { OpenDriver, RowWriter } from '../../../engine/drivers/driver.ts';
import { driverOf } from '../../../engine/drivers/registry.ts';
import { openDriver } from '../../../engine/sampler/driver-files.ts';
import { temporaryDirectory } from '../../support/directory.ts';

type Channels = Record<string, unknown>[];

/** The driver over the machine's own files. */
function open(channels: Channels): OpenDriver {
  return openDriver('sysfs', driverOf('sysfs').options.parse({ channels }), 'machine');
}

function read(driver: OpenDriver): number[] | undefined {
  const values: number[] = [];
  const row: RowWriter = {
    setNumber: (channel, value) => (values[channel] = value),
    setBigInt: (channel, value) => (values[channel] = Number(value)),
  };
  return driver.read!(row, 0) ? values : undefined;
}

function openDescriptors(): number {
  return readdirSync('/proc/self/fd').length;
}

test('each channel is one word of its file, read anew at every tick', () => {
  const path = `${temporaryDirectory()}/loadavg`;
  writeFileSync(path, '0.31 0.18  0.11\t1/210 4711\n');
  const driver = open([0, 2, 4].map((field) => ({ name: `C${field}`, path, field })));
  expect(read(driver)).toEqual([0.31, 0.11, 4711]);
  writeFileSync(path, '1 2 -3e2 4/5 6\n');
  expect(read(driver)).toEqual([1, -300, 6]);
  driver.close();
});

test.each([
  ['is empty', ''],
  ['has fewer words', '17\n'],
  ['has no number there', '17 N/A 3\n'],
])('a file that %s gives nothing', (_, text) => {
  const path = `${temporaryDirectory()}/value`;
  writeFileSync(path, '1 2 3\n');
  const driver = open([{ name: 'C', path, field: 1 }]);
  expect(read(driver)).toEqual([2]);
  writeFileSync(path, text);
  expect(read(driver)).toBeUndefined();
  driver.close();
});

test('a number that does not end within what is read of a file gives nothing', () => {
  const path = `${temporaryDirectory()}/long`;
  const head = '7'.padEnd(4094);
  writeFileSync(path, `${head}123456\n`);
  const [first, cut] = [0, 1].map((field) => open([{ name: 'C', path, field }]));
  expect([read(first!), read(cut!)]).toEqual([[7], undefined]);
  writeFileSync(path, `${head}1 23456\n`);
  expect([read(first!), read(cut!)]).toEqual([[7], [1]]);
  first!.close();
  cut!.close();
});

test.each([
  ['u8', '255', 255],
  ['u8', '256', undefined],
  ['u8', '-1', undefined],
  ['i16', '-32768', -32768],
  ['i16', '32768', undefined],
  ['i32', '21.9', 21],
  ['u32', 'Infinity', undefined],
  ['i64', '1e999', undefined],
  ['u64', '18446744073709551615', 18446744073709551615n],
  ['u64', '18446744073709551616', undefined],
  ['i64', '9223372036854775807', 9223372036854775807n],
  ['i64', '-9223372036854775809', undefined],
  ['u64', '0xfedcba9876543211', 0xfedcba9876543211n],
  ['i16', '0x1f', 31],
  ['f64', '1e300', 1e300],
  ['f64', 'Infinity', undefined],
  ['f64', '-1e999', undefined],
  ['f32', '1e300', undefined],
  ['f32', '3.4e38', 3.4e38],
])('a channel of %s takes %s for what it is, or for nothing', (type, text, expected) => {
  const path = `${temporaryDirectory()}/value`;
  writeFileSync(path, text);
  const driver = open([{ name: 'C', path, type }]);
  let found: number | bigint | undefined;
  const row: RowWriter = {
    setNumber: (_, value) => (found = value),
    setBigInt: (_, value) => (found = value),
  };
  expect(driver.read!(row, 0)).toBe(expected !== undefined);
  expect(found).toBe(expected);
  driver.close();
});

test('a file that is missing is named with the nearest, and the others are closed', () => {
  const dir = temporaryDirectory();
  writeFileSync(`${dir}/temp1_input`, '1\n');
  const before = openDescriptors();
  const channels = ['temp1_input', 'temp2_input'].map((name) => ({ name, path: `${dir}/${name}` }));
  expect(() => open(channels)).toThrow(
    expect.objectContaining({
      code: 'DEVICE',
      message: expect.stringContaining(`did you mean "${dir}/temp1_input"?`),
      details: { file: `${dir}/temp2_input`, nearest: `${dir}/temp1_input` },
    }),
  );
  expect(openDescriptors()).toBe(before);
});

test('a file whose device is gone gives nothing: here an ended process', async () => {
  const child = spawn('sleep', ['1000']);
  await once(child, 'spawn');
  const driver = open([{ name: 'Pid', path: `/proc/${child.pid}/stat` }]);
  expect(read(driver)).toEqual([child.pid]);
  child.kill('SIGKILL');
  await once(child, 'exit');
  expect(read(driver)).toBeUndefined();
  expect(read(driver)).toBeUndefined();
  driver.close();
});

test.each([
  ['a directory', (path: string) => mkdirSync(path)],
  ['a FIFO', (path: string) => execFileSync('mkfifo', [path])],
  ['a device node', (path: string) => symlinkSync('/dev/zero', path)],
])('%s in the place of a file is refused, and nobody waits for it', (kind, make) => {
  const path = `${temporaryDirectory()}/device`;
  make(path);
  const before = openDescriptors();
  expect(() => open([{ name: 'C', path }])).toThrow(
    expect.objectContaining({
      code: 'DEVICE',
      message: `channel "C": ${path} is ${kind}, not a file with a text`,
    }),
  );
  expect(openDescriptors()).toBe(before);
});

test('a channel keeps its type, unit and scale; f64 and 1 are the defaults', () => {
  const path = `${temporaryDirectory()}/value`;
  writeFileSync(path, '48250\n');
  const given = { name: 'Cpu', path, type: 'i32', unit: '°C', scale: 0.001, offset: -1 };
  const driver = open([given, { name: 'Plain', path }]);
  expect(driver.channels).toEqual([
    { name: 'Cpu', type: 'i32', unit: '°C', scale: 0.001, offset: -1 },
    { name: 'Plain', type: 'f64', unit: '1', scale: 1, offset: 0 },
  ]);
  driver.close();
});
