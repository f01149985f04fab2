/**
 * Numbers in small files that the kernel keeps: thermal zones, hwmon, /proc/loadavg. The files stay
 * open and are read from their beginning at each tick. The model of a driver written in TypeScript.
 */
import { z } from 'zod';
import { HelicorderError } from '../base/errors.ts';
import { CHANNELS_MAX } from '../base/constants.ts';
import { CHANNEL_TYPES } from '../batch/schema.ts';
import { defineDriver, type OpenText } from './driver.ts';

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
        const message = `channel "${name}": cannot open ${path}`;
        throw new HelicorderError('DEVICE', message, { cause, details: { file: path } });
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

/** The number that is word `field` of a text; NaN if it is none. */
function wordAt(text: string, field: number): number {
  const word = text.trim().split(/\s+/)[field];
  return word === undefined || word === '' ? NaN : Number(word);
}
