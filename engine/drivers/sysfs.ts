/**
 * Numbers in small files that the kernel keeps: thermal zones, hwmon, /proc/loadavg. The files stay
 * open and are read from their beginning at each tick. The model of a driver written in TypeScript.
 */
import { z } from 'zod';
import { HelicorderError, isCode, nearest } from '../base/errors.ts';
import { CHANNELS_MAX } from '../base/constants.ts';
import {
  CHANNEL_TYPES,
  INTEGER_RANGES,
  isWide,
  nameProblem,
  type ChannelType,
} from '../batch/schema.ts';
import { defineDriver, type DriverFiles, type KnownDevice } from './driver.ts';
import type { OpenText, RowWriter } from './driver.ts';

const channel = z.strictObject({
  name: z.string().min(1).describe('name of the channel'),
  path: z.string().min(1).describe('regular file that holds the number, no FIFO or device node'),
  field: z
    .int()
    .min(0)
    .default(0)
    .describe('which of the words in the file, from 0; it must end within 4096 bytes'),
  type: z
    .enum(CHANNEL_TYPES)
    .default('f64')
    .describe(
      'how the number is stored; one that does not fit, or is not finite, is a gap(device), a ' +
        'fraction is cut off for an integer, 0x1f is hexadecimal',
    ),
  unit: z.string().default('1').describe('unit of the physical value'),
  scale: z.number().default(1).describe('physical value = number × scale + offset'),
  offset: z.number().default(0).describe('physical value = number × scale + offset'),
});

const options = z.strictObject({
  channels: z
    .array(channel)
    .min(1)
    .max(CHANNELS_MAX)
    .superRefine((channels, context) => {
      const problem = nameProblem(channels);
      if (problem === undefined) return;
      const path = [problem.index, 'name'];
      context.addIssue({ code: 'custom', message: problem.why, path });
    })
    .describe('the files to read'),
});

export const sysfsDriver = defineDriver({
  kind: 'sysfs',
  summary: 'numbers in files of sysfs and procfs: temperatures, voltages, load',
  bus: 'typescript',
  options,
  open({ channels }, { files }) {
    const opened: OpenText[] = [];
    const close = (): void => opened.splice(0).forEach((file) => file.close());
    for (const { name, path } of channels) {
      try {
        opened.push(files.openText(path));
      } catch (cause) {
        close();
        throw cannotOpen(name, path, files, cause);
      }
    }
    return {
      ...filesOf(channels),
      read(row) {
        for (let i = 0; i < channels.length; i++) {
          const { field, type } = channels[i]!;
          const word = wordAt(opened[i]?.read(), field);
          if (word === undefined || !put(row, i, type, word)) return false;
        }
        return true;
      },
      close,
    };
  },
  known: ({ channels }) => filesOf(channels),
});

function filesOf(channels: z.output<typeof channel>[]): KnownDevice {
  const plain = channels.map(({ name, type, unit, scale, offset }) => {
    return { name, type, unit, scale, offset };
  });
  return { channels: plain, attributes: [] };
}

function cannotOpen(
  channel: string,
  path: string,
  files: DriverFiles,
  cause: unknown,
): HelicorderError {
  if (isCode(cause, 'DEVICE')) {
    const message = `channel "${channel}": ${cause.message}`;
    return new HelicorderError('DEVICE', message, { cause, details: { file: path } });
  }
  const suggestion = nearestPath(path, files);
  const hint = suggestion === undefined ? '' : `: did you mean "${suggestion}"?`;
  return new HelicorderError('DEVICE', `channel "${channel}": cannot open ${path}${hint}`, {
    cause,
    details: { file: path, ...(suggestion === undefined ? {} : { nearest: suggestion }) },
  });
}

/** The path up to its first name that does not exist, with the nearest that does in its place. */
function nearestPath(path: string, files: DriverFiles): string | undefined {
  const names = path.split('/');
  for (let i = 1; i < names.length; i++) {
    const parent = names.slice(0, i).join('/');
    const present = namesIn(files, parent === '' ? '/' : parent);
    if (present.includes(names[i]!)) continue;
    const suggestion = nearest(names[i]!, present);
    return suggestion === undefined ? undefined : `${parent}/${suggestion}`;
  }
  return undefined;
}

function namesIn(files: DriverFiles, dir: string): string[] {
  try {
    return files.list(dir);
  } catch {
    return []; // a file, or nothing that we may list
  }
}

/** Word `field` of a text; undefined if there is none. */
function wordAt(text: string | undefined, field: number): string | undefined {
  return text?.trim().split(/\s+/)[field] || undefined;
}

/** @returns false if the word is no number, or none that the type holds: nothing is made up */
function put(row: RowWriter, channel: number, type: ChannelType, word: string): boolean {
  const value = Number(word);
  const range = INTEGER_RANGES[type];
  if (!Number.isFinite(type === 'f32' ? Math.fround(value) : value)) return false;
  if (range === undefined) {
    row.setNumber(channel, value);
    return true;
  }
  const whole = Math.trunc(value);
  // a number that is rounded up to the end of the range is looked at as it stands
  if (whole < range[0] || whole > range[1]) return false;
  if (isWide(type)) return putExactly(row, channel, BigInt(range[1]), word);
  if (whole === range[1]) return false;
  row.setNumber(channel, whole);
  return true;
}

/** A counter beyond 2^53 is not what a double makes of it. */
function putExactly(row: RowWriter, channel: number, end: bigint, word: string): boolean {
  const isWhole = /^(-?\d+|0x[\da-f]+)$/i.test(word);
  const value = isWhole ? BigInt(word) : BigInt(Math.trunc(Number(word)));
  if (value >= end || value < (end === 2n ** 64n ? 0n : -end)) return false;
  row.setBigInt(channel, value);
  return true;
}
