/**
 * What the engine relies on from a driver. Every driver of the registry passes it, and so does one
 * written for this test alone, in the way `docs/adding-a-driver.md` shows.
 */
import { describe, expect, it } from 'vitest';
import type { z } from 'zod';
import { CHANNELS_MAX } from '../../engine/base/constants.ts';
import { HelicorderError } from '../../engine/base/errors.ts';
import { canonicalSchema, parseSchema, type Schema } from '../../engine/batch/schema.ts';
import type { Driver, OpenDriver, RowWriter } from '../../engine/drivers/driver.ts';
import type { FakeDriverFiles } from '../support/driver-files.ts';

export interface DriverCase {
  /** the files of a machine that has the device */
  files: () => FakeDriverFiles;
  options: Record<string, unknown>;
  /** options that name a device which is not there, and the one that the error must name */
  missing?: { options: Record<string, unknown>; nearest: string };
  /** takes the device away; needed if the driver reads it itself */
  vanish?: (files: FakeDriverFiles) => void;
}

interface Opened {
  files: FakeDriverFiles;
  driver: OpenDriver;
}

class NotedRow implements RowWriter {
  readonly values = new Map<number, number | bigint>();
  setNumber(channel: number, value: number): void {
    this.values.set(channel, value);
  }
  setBigInt(channel: number, value: bigint): void {
    this.values.set(channel, value);
  }
}

function open(driver: Driver, given: DriverCase, options = given.options): Opened {
  const files = given.files();
  const parsed = driver.options.parse(options);
  return { files, driver: driver.open(parsed, { files, sourceName: 'machine' }) };
}

export function describeDriver(driver: Driver, given: DriverCase): void {
  describe(`driver: ${driver.kind}`, () => {
    describeDeclaration(driver, given);
    describeOpening(driver, given);
    if (given.missing) describeMissing(driver, given, given.missing);
    if (driver.bus === 'typescript') describeReading(driver, given);
  });
}

function describeDeclaration(driver: Driver, given: DriverCase): void {
  it('its kind is a word for flags and files, its summary one line', () => {
    expect(driver.kind).toMatch(/^[a-z][a-z0-9-]*$/);
    expect(driver.summary).toMatch(/^\S.*\S$/);
  });

  it('every option says what it is, those inside of others too', () => {
    expect(undescribed(driver.options)).toEqual([]);
  });

  it('an option that it does not know is refused', () => {
    expect(driver.options.safeParse({ ...given.options, 'no such option': 1 }).success).toBe(false);
  });
}

function describeOpening(driver: Driver, given: DriverCase): void {
  it('its channels are a schema that can be stored and read back', () => {
    const { channels } = open(driver, given).driver;
    const schema: Schema = { kind: 'samples', channels };
    expect(channels.length).toBeLessThanOrEqual(CHANNELS_MAX);
    expect(new Set(channels.map(({ name }) => name)).size).toBe(channels.length);
    expect(parseSchema(canonicalSchema(schema))).toEqual(schema);
  });

  it('its attributes are pairs of strings with names of their own', () => {
    const { attributes } = open(driver, given).driver;
    for (const attribute of attributes) {
      expect(attribute).toEqual([expect.stringMatching(/\S/), expect.any(String)]);
    }
    expect(new Set(attributes.map(([name]) => name)).size).toBe(attributes.length);
  });

  it('either the addon reads it or it reads itself, as its bus says', () => {
    const opened = open(driver, given).driver;
    expect(opened.native !== undefined).toBe(driver.bus === 'native');
    expect(opened.read !== undefined).toBe(driver.bus === 'typescript');
  });

  it('it opens twice at once, for main and for the sampler worker, with one schema', () => {
    const files = given.files();
    const options = driver.options.parse(given.options);
    const [first, second] = [0, 1].map(() => driver.open(options, { files, sourceName: 'm' }));
    expect(second!.channels).toEqual(first!.channels);
    expect(second!.attributes).toEqual(first!.attributes);
    first!.close();
    if (second!.read) expect(second!.read(new NotedRow(), 0)).toBe(true);
    second!.close();
    expect(files.openCount).toBe(0);
  });

  it('what it knows without its device is what it opens with', () => {
    const known = driver.known?.(driver.options.parse(given.options));
    const { channels, attributes, native } = open(driver, given).driver;
    if (known) expect(known).toEqual({ channels, attributes, ...(native && { native }) });
  });

  it('it closes more than once and leaves nothing open', () => {
    const { files, driver: opened } = open(driver, given);
    opened.close();
    expect(() => opened.close()).not.toThrow();
    expect(files.openCount).toBe(0);
  });
}

function describeMissing(
  driver: Driver,
  given: DriverCase,
  { options, nearest }: { options: Record<string, unknown>; nearest: string },
): void {
  it('a device that is missing is the error DEVICE with the nearest that is there', () => {
    const files = given.files();
    let error: unknown;
    try {
      driver.open(driver.options.parse(options), { files, sourceName: 'machine' });
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toBeInstanceOf(HelicorderError);
    expect((error as HelicorderError).code).toBe('DEVICE');
    expect((error as HelicorderError).message).toContain(`"${nearest}"`);
    expect(files.openCount).toBe(0);
  });
}

function describeReading(driver: Driver, given: DriverCase): void {
  it('a read fills every channel', () => {
    const { driver: opened } = open(driver, given);
    const row = new NotedRow();
    expect(opened.read!(row, 0)).toBe(true);
    expect([...row.values.keys()].sort((a, b) => a - b)).toEqual([...opened.channels.keys()]);
    opened.close();
  });

  it('a read of a device that has vanished returns false, as often as it is asked', () => {
    const { files, driver: opened } = open(driver, given);
    given.vanish!(files);
    for (let tick = 0; tick < 3; tick++) expect(opened.read!(new NotedRow(), tick)).toBe(false);
    opened.close();
    expect(files.openCount).toBe(0);
  });
}

/** Paths of the options without a description; lists and optional values are looked into. */
function undescribed(schema: z.ZodObject, path = ''): string[] {
  return Object.entries(schema.shape).flatMap(([name, option]) => {
    const own = (option as z.ZodType).description ? [] : [path + name];
    const inner = objectIn(option as z.ZodType);
    return inner ? [...own, ...undescribed(inner, `${path}${name}.`)] : own;
  });
}

function objectIn(schema: z.ZodType): z.ZodObject | undefined {
  const { def } = schema as unknown as {
    def: { type: string; innerType?: z.ZodType; element?: z.ZodType };
  };
  if (def.type === 'object') return schema as z.ZodObject;
  const inner = def.innerType ?? def.element;
  return inner && objectIn(inner);
}
