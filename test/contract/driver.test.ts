import { expect, test } from 'vitest';
import { z } from 'zod';
import { HelicorderError, nearest } from '../../engine/base/errors.ts';
import { defineDriver, plainChannel } from '../../engine/drivers/driver.ts';
import { DRIVERS, driverOf } from '../../engine/drivers/registry.ts';
import { FakeDriverFiles } from '../support/driver-files.ts';
import { describeDriver, type DriverCase } from './driver.contract.ts';

const CASES: Record<string, DriverCase> = {
  network: {
    files: () =>
      new FakeDriverFiles({
        '/sys/class/net/lo/operstate': 'unknown\n',
        '/sys/class/net/eth0/operstate': 'up\n',
      }),
    options: { interface: 'eth0', statistics: 'all' },
    missing: { options: { interface: 'eth1' }, nearest: 'eth0' },
  },
  synthetic: { files: () => new FakeDriverFiles({}), options: { channels: 12 } },
  sysfs: {
    files: () =>
      new FakeDriverFiles({
        '/sys/class/thermal/thermal_zone0/temp': '48250\n',
        '/proc/loadavg': '0.31 0.18 0.11 1/210 4711\n',
      }),
    options: {
      channels: [
        { name: 'Cpu', path: '/sys/class/thermal/thermal_zone0/temp', type: 'i32', scale: 0.001 },
        { name: 'Load15', path: '/proc/loadavg', field: 2 },
      ],
    },
    missing: {
      options: {
        channels: [
          { name: 'Load', path: '/proc/loadavg' },
          { name: 'Cpu', path: '/sys/class/thermal/thermal_zone1/temp' },
        ],
      },
      nearest: '/sys/class/thermal/thermal_zone0',
    },
    vanish: (files) => files.remove('/sys/class/thermal'),
  },
};

/** Two gauges of a device that is one directory, after `docs/adding-a-driver.md`. */
const gaugeDriver = defineDriver({
  kind: 'test-gauge',
  summary: 'two gauges of one device',
  bus: 'typescript',
  options: z.strictObject({ device: z.string().describe('name of the device') }),
  open({ device }, { files }) {
    const devices = files.list('/dev/gauge');
    if (!devices.includes(device)) {
      const near = nearest(device, devices) ?? 'none';
      throw new HelicorderError('DEVICE', `no gauge "${device}": did you mean "${near}"?`);
    }
    const gauges = ['low', 'high'].map((name) => files.openText(`/dev/gauge/${device}/${name}`));
    return {
      channels: [plainChannel('Low', 'i16', 'Pa'), plainChannel('High', 'u64', 'Pa')],
      attributes: [['Device', device]],
      read(row) {
        const [low, high] = gauges.map((gauge) => gauge.read());
        if (low === undefined || high === undefined) return false;
        row.setNumber(0, Number(low));
        row.setBigInt(1, BigInt(high));
        return true;
      },
      close: () => gauges.splice(0).forEach((gauge) => gauge.close()),
    };
  },
});

for (const driver of DRIVERS) describeDriver(driver, CASES[driver.kind]!);

describeDriver(gaugeDriver, {
  files: () =>
    new FakeDriverFiles({
      '/dev/gauge/left/low': '-3',
      '/dev/gauge/left/high': `${2n ** 64n - 1n}`,
    }),
  options: { device: 'left' },
  missing: { options: { device: 'lift' }, nearest: 'left' },
  vanish: (files) => files.remove('/dev/gauge/left'),
});

test('kinds are unique, and an unknown one is refused with the nearest', () => {
  expect(DRIVERS.map(({ kind }) => driverOf(kind))).toEqual([...DRIVERS]);
  expect(() => driverOf('sinthetic')).toThrow(/"sinthetic".*synthetic/);
});

test('without a name the network driver takes the first interface that is up, else lo', () => {
  const driver = driverOf('network');
  const nameOf = (states: Record<string, string>): string | undefined => {
    const texts = Object.entries(states).map(([name, state]): [string, string] => [
      `/sys/class/net/${name}/operstate`,
      state,
    ]);
    const files = new FakeDriverFiles(Object.fromEntries(texts));
    const opened = driver.open(driver.options.parse({}), { files, sourceName: 's' });
    return opened.attributes.find(([name]) => name === 'Interface')?.[1];
  };
  expect(nameOf({ eth0: 'down', eth1: 'up', eth2: 'up', lo: 'unknown' })).toBe('eth1');
  expect(nameOf({ eth0: 'down', lo: 'unknown' })).toBe('lo');
});

test('the network driver names its channels as the reference collector does', () => {
  const driver = driverOf('network');
  const { files, options } = CASES.network!;
  const opened = driver.open(driver.options.parse(options), { files: files(), sourceName: 's' });
  expect(opened.channels).toHaveLength(24);
  expect(opened.channels.slice(0, 4).map(({ name, unit }) => [name, unit])).toEqual([
    ['RxBytes', 'B'],
    ['TxBytes', 'B'],
    ['RxPackets', '1'],
    ['TxPackets', '1'],
  ]);
});
