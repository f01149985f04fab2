/**
 * Numbers in small files that the kernel keeps: thermal zones, hwmon, /proc/loadavg. The files stay
 * open and are read from their beginning at each tick. The model of a driver written in TypeScript.
 */
import { z } from 'zod';
import { HelicorderError, nearest } from '../base/errors.ts';
import { CHANNELS_MAX } from '../base/constants.ts';
import { CHANNEL_TYPES } from '../batch/schema.ts';
import { defineDriver, type DriverFiles, type OpenText } from './driver.ts';

const channel = z.strictObject({
  name: z.string().min(1).describe('name of the channel'),
  path: z.string().min(1).describe('file that holds the number'),
  field: z.int().min(0).default(0).describe('which of the words in the file, from 0'),
  type: z.enum(CHANNEL_TYPES).default('f64').describe('how the number is stored'),
  unit: z.string().default('1').describe('unit of the physical value'),
  scale: z.number().default(1).describe('physical value = number × scale + offset'),
  offset: z.number().default(0).describe('physical value = number × scale + offset'),
});

const options = z.strictObject({
  channels: z.array(channel).min(1).max(CHANNELS_MAX).describe('the files to read'),
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
      channels: channels.map(({ name, type, unit, scale, offset }) => ({
        ...{ name, type, unit, scale, offset },
      })),
      attributes: [],
      read(row) {
        for (let i = 0; i < channels.length; i++) {
          const text = opened[i]?.read();
          const value = text === undefined ? NaN : wordAt(text, channels[i]!.field);
          if (Number.isNaN(value)) return false;
          row.setNumber(i, value);
        }
        return true;
      },
      close,
    };
  },
});

function cannotOpen(
  channel: string,
  path: string,
  files: DriverFiles,
  cause: unknown,
): HelicorderError {
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

/** The number that is word `field` of a text; NaN if it is none. */
function wordAt(text: string, field: number): number {
  const word = text.trim().split(/\s+/)[field];
  return word === undefined || word === '' ? NaN : Number(word);
}
