/**
 * Counters of a network interface, read by the addon (`native/src/network_reader.h`).
 * Channel names are the reference collector's: rx_bytes → RxBytes.
 */
import { z } from 'zod';
import { HelicorderError, nearest } from '../base/errors.ts';
import { defineDriver, plainChannel, type DriverFiles, type KnownDevice } from './driver.ts';

/** The kernel's names in the order of struct rtnl_link_stats64 and of the addon's table. */
export const NETWORK_COUNTERS = [
  'rx_packets',
  'tx_packets',
  'rx_bytes',
  'tx_bytes',
  'rx_errors',
  'tx_errors',
  'rx_dropped',
  'tx_dropped',
  'multicast',
  'collisions',
  'rx_length_errors',
  'rx_over_errors',
  'rx_crc_errors',
  'rx_frame_errors',
  'rx_fifo_errors',
  'rx_missed_errors',
  'tx_aborted_errors',
  'tx_carrier_errors',
  'tx_fifo_errors',
  'tx_heartbeat_errors',
  'tx_window_errors',
  'rx_compressed',
  'tx_compressed',
  'rx_nohandler',
] as const;

export type NetworkCounter = (typeof NETWORK_COUNTERS)[number];

const options = z.strictObject({
  interface: z
    .string()
    .min(1)
    .optional()
    .describe('network interface; default: the first that is up and not loopback, else lo'),
  statistics: z
    .union([z.literal('all'), z.array(z.enum(NETWORK_COUNTERS)).min(1)])
    .default(['rx_bytes', 'tx_bytes'])
    .describe("the kernel's names of the counters to record, or all"),
  sysfsRoot: z.string().default('/sys').describe('where sysfs is mounted'),
});

export const networkDriver = defineDriver({
  kind: 'network',
  summary: 'counters of a network interface, as the kernel keeps them',
  bus: 'native',
  options,
  open(given, { files }) {
    const { interface: wanted, sysfsRoot } = given;
    const names = interfaces(files, sysfsRoot);
    const interfaceName = wanted ?? defaultInterface(files, sysfsRoot, names);
    if (!names.includes(interfaceName)) throw missing(interfaceName, names);
    return { ...interfaceOf(interfaceName, given), close: () => undefined };
  },
  known(given) {
    return given.interface === undefined ? undefined : interfaceOf(given.interface, given);
  },
});

function interfaceOf(
  interfaceName: string,
  { statistics, sysfsRoot }: z.output<typeof options>,
): KnownDevice {
  const counters = inEventOrder(statistics === 'all' ? NETWORK_COUNTERS : statistics);
  return {
    channels: counters.map((counter) =>
      plainChannel(channelName(counter), 'u64', counter.endsWith('_bytes') ? 'B' : '1'),
    ),
    attributes: [['Interface', interfaceName]],
    native: {
      kind: 'network',
      interfaceName,
      counters: counters.map((counter) => NETWORK_COUNTERS.indexOf(counter)),
      sysfsRoot,
    },
  };
}

/** Consumers know RxBytes and TxBytes as the first arrays of an event; further ones follow. */
function inEventOrder(wanted: readonly NetworkCounter[]): NetworkCounter[] {
  const first = (['rx_bytes', 'tx_bytes'] as const).filter((counter) => wanted.includes(counter));
  return [...new Set([...first, ...wanted])];
}

/** rx_bytes → RxBytes */
function channelName(counter: NetworkCounter): string {
  return counter.replace(/(?:^|_)([a-z])/g, (_, letter: string) => letter.toUpperCase());
}

function interfaces(files: DriverFiles, sysfsRoot: string): string[] {
  try {
    return files.list(`${sysfsRoot}/class/net`).sort();
  } catch (cause) {
    throw new HelicorderError('DEVICE', `cannot list ${sysfsRoot}/class/net`, { cause });
  }
}

function defaultInterface(files: DriverFiles, sysfsRoot: string, names: string[]): string {
  const isUp = (name: string): boolean => {
    try {
      return files.readText(`${sysfsRoot}/class/net/${name}/operstate`).trim() === 'up';
    } catch {
      return false; // it vanished between the two calls
    }
  };
  return names.find((name) => name !== 'lo' && isUp(name)) ?? 'lo';
}

function missing(name: string, names: string[]): HelicorderError {
  const suggestion = nearest(name, names) ?? names[0];
  const hint = suggestion === undefined ? 'there is none' : `did you mean "${suggestion}"?`;
  return new HelicorderError('DEVICE', `there is no network interface "${name}": ${hint}`, {
    details: { interface: name, ...(suggestion === undefined ? {} : { nearest: suggestion }) },
  });
}
