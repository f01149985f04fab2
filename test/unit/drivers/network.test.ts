import { expect, test } from 'vitest';
import { NETWORK_COUNTERS, networkDriver } from '../../../engine/drivers/network.ts';
import { nodeFileSystem } from '../../../engine/files/node-file-system.ts';

const files = {
  list: (dir: string) => nodeFileSystem.list(dir),
  readText: (path: string) => nodeFileSystem.readText(path),
  openText: () => {
    throw new Error('a native driver opens no file');
  },
};

function channelsOf(statistics: unknown): string[] {
  const options = networkDriver.options.parse({ interface: 'lo', statistics });
  const { channels } = networkDriver.open(options, { files, sourceName: 'test' });
  return channels.map(({ name }) => name);
}

test('RxBytes and TxBytes are the first arrays of an event, further counters follow them', () => {
  expect(channelsOf(undefined)).toEqual(['RxBytes', 'TxBytes']);
  expect(channelsOf(['rx_packets', 'tx_bytes', 'rx_bytes'])).toEqual([
    'RxBytes',
    'TxBytes',
    'RxPackets',
  ]);
  const all = channelsOf('all');
  expect(all.slice(0, 4)).toEqual(['RxBytes', 'TxBytes', 'RxPackets', 'TxPackets']);
  expect(all).toHaveLength(NETWORK_COUNTERS.length);
});

test('counters that are not asked for are not there', () => {
  expect(channelsOf(['rx_errors'])).toEqual(['RxErrors']);
});
