/**
 * `--where`: which samples a copy keeps, as an expression over channels in physical units.
 *
 * Text is parsed by jsep, checked and turned into one function over whole columns, once. Nothing of
 * it is ever evaluated as code. A comparison is 1 or 0, and 0 if a side is NaN; a sample is kept
 * where the whole is neither 0 nor NaN.
 *
 * Everything is a double: 64-bit integers beyond 2^53 are rounded before they are compared.
 */
import jsep from 'jsep';
import { HelicorderError, nearest, type ErrorCode, messageOf } from '../base/errors.ts';
import { doublesOf } from '../batch/sample-times.ts';
import type { Column } from '../batch/samples.ts';
import type { Channel, Schema } from '../batch/schema.ts';

/** Of one part of an expression: for each row, or one for all of them. */
type Value = Float64Array | number;
/** @param columns physical, in the order of `Where.names` */
type Part = (columns: readonly Float64Array[], rows: number) => Value;

const TEXT_MAX_CHARACTERS = 4096;

const number = (is: boolean): number => (is ? 1 : 0);
const isTrue = (value: number): boolean => value !== 0 && !Number.isNaN(value);

const ARITHMETIC: Readonly<Record<string, (a: number, b: number) => number>> = {
  '+': (a, b) => a + b,
  '-': (a, b) => a - b,
  '*': (a, b) => a * b,
  '/': (a, b) => a / b,
  '%': (a, b) => a % b,
  '**': (a, b) => a ** b,
};
const COMPARISONS: Readonly<Record<string, (a: number, b: number) => number>> = {
  '<': (a, b) => number(a < b),
  '<=': (a, b) => number(a <= b),
  '>': (a, b) => number(a > b),
  '>=': (a, b) => number(a >= b),
  '==': (a, b) => number(a === b),
  // as all others, not as IEEE 754 has it: false if a side is NaN
  '!=': (a, b) => number(a < b || a > b),
};
const LOGIC: Readonly<Record<string, (a: number, b: number) => number>> = {
  '&&': (a, b) => number(isTrue(a) && isTrue(b)),
  '||': (a, b) => number(isTrue(a) || isTrue(b)),
};
const BINARY = { ...ARITHMETIC, ...COMPARISONS, ...LOGIC };
const UNARY: Readonly<Record<string, (a: number) => number>> = {
  '-': (a) => -a,
  '+': (a) => a,
  '!': (a) => number(!isTrue(a)),
};
const OF_ONE: Readonly<Record<string, (a: number) => number>> = {
  abs: Math.abs,
  ceil: Math.ceil,
  exp: Math.exp,
  floor: Math.floor,
  log: Math.log,
  log10: Math.log10,
  log2: Math.log2,
  round: Math.round,
  sign: Math.sign,
  sqrt: Math.sqrt,
  trunc: Math.trunc,
};
const OF_MANY: Readonly<Record<string, (a: number, b: number) => number>> = {
  hypot: (a, b) => Math.hypot(a, b),
  max: (a, b) => Math.max(a, b),
  min: (a, b) => Math.min(a, b),
};
const FUNCTIONS = [...Object.keys(OF_ONE), ...Object.keys(OF_MANY)];

/** A checked expression; its channels are looked for once a schema is known. */
export class Where {
  readonly text: string;
  /** of the channels that are asked for, in the order of their first mention */
  readonly names: readonly string[];
  readonly #root: Part;

  /** @throws RangeError with a sentence about what is wrong, and where */
  constructor(text: string) {
    this.text = text.trim();
    const compiler = new Compiler();
    this.#root = compiler.part(parsed(this.text));
    this.names = compiler.names;
  }

  /**
   * The expression over the channels of one run.
   * @param code of the error: whose fault it is
   * @throws HelicorderError of that code for a name that is no channel, and for opaque events
   */
  bind(schema: Schema, code: ErrorCode): BoundWhere {
    if (schema.kind === 'opaque') {
      throw new HelicorderError(code, `where "${this.text}": opaque events have no channels`);
    }
    const channels = this.names.map((name) => this.#placeOf(name, schema.channels, code));
    return new BoundWhere(this.#root, schema.channels, channels);
  }

  #placeOf(name: string, channels: readonly Channel[], code: ErrorCode): number {
    const place = channels.findIndex((channel) => channel.name === name);
    if (place >= 0) return place;
    const names = channels.map((channel) => channel.name);
    const suggestion = nearest(name, names);
    const hint = suggestion ? `did you mean ${suggestion}?` : `there are ${names.join(', ')}`;
    const message = `where "${this.text}": there is no channel ${name}; ${hint}`;
    const details = { channel: name, ...(suggestion === undefined ? {} : { nearest: suggestion }) };
    throw new HelicorderError(code, message, { details });
  }
}

/** The text of an expression that can be one, whatever the channels. @throws RangeError */
export function parseWhere(value: unknown): string {
  return new Where(typeof value === 'string' ? value : '').text;
}

export class BoundWhere {
  readonly #root: Part;
  readonly #schema: readonly Channel[];
  /** the channels that are needed, by their places in the schema */
  readonly channels: readonly number[];

  constructor(root: Part, schema: readonly Channel[], channels: readonly number[]) {
    this.#root = root;
    this.#schema = schema;
    this.channels = channels;
  }

  /**
   * @param columns raw, those of `channels` in their order, of `rows` values each
   * @returns 1 for each row that is kept, else 0
   */
  mask(columns: readonly Column[], rows: number): Uint8Array {
    const physical = columns.map((column, i) =>
      physicalDoubles(column, this.#schema[this.channels[i]!]!),
    );
    const value = this.#root(physical, rows);
    if (typeof value === 'number') return new Uint8Array(rows).fill(number(isTrue(value)));
    return Uint8Array.from(value, (one) => number(isTrue(one)));
  }
}

function physicalDoubles(column: Column, { scale, offset }: Channel): Float64Array {
  const raw = column instanceof Float64Array ? column : doublesOf(column);
  if (scale === 1 && offset === 0) return raw;
  return raw.map((value) => value * scale + offset);
}

function parsed(text: string): jsep.Expression {
  if (text === '') throw new RangeError('expected an expression, such as Temp > 20');
  if (text.length > TEXT_MAX_CHARACTERS) {
    throw new RangeError(`an expression has at most ${TEXT_MAX_CHARACTERS} characters`);
  }
  try {
    return jsep(text);
  } catch (error) {
    const reason = messageOf(error);
    const { index = -1 } = error as { index?: number };
    const hint = text[index] === '=' ? '; equal is ==' : '';
    throw new RangeError(`"${text}": ${reason}${hint}`, { cause: error });
  }
}

/** From jsep's tree to a function, part by part. */
class Compiler {
  readonly names: string[] = [];

  part(node: jsep.Expression): Part {
    switch (node.type) {
      case 'Literal':
        return this.#literal(node as jsep.Literal);
      case 'Identifier':
        return this.#channel((node as jsep.Identifier).name);
      case 'UnaryExpression':
        return this.#unary(node as jsep.UnaryExpression);
      case 'BinaryExpression':
        return this.#binary(node as jsep.BinaryExpression);
      case 'ConditionalExpression':
        return this.#choice(node as jsep.ConditionalExpression);
      case 'CallExpression':
        return this.#call(node as jsep.CallExpression);
      case 'Compound':
      case 'SequenceExpression':
        throw new RangeError('expected one expression: an operator is missing');
      default:
        throw new RangeError(
          'expected numbers, channels, operators and functions; ' +
            'a channel with other characters in its name is quoted: "x.y" > 3',
        );
    }
  }

  /** A quoted text is the name of a channel: nothing here is a text. */
  #literal({ value, raw }: jsep.Literal): Part {
    if (typeof value === 'string') return this.#channel(value);
    if (typeof value === 'boolean') return () => number(value);
    if (typeof value === 'number') return () => value;
    throw new RangeError(`${raw} is no number`);
  }

  #channel(name: string): Part {
    const known = this.names.indexOf(name);
    const place = known >= 0 ? known : this.names.push(name) - 1;
    return (columns) => columns[place]!;
  }

  #unary({ operator, argument }: jsep.UnaryExpression): Part {
    return each1(found(UNARY, operator, 'operator'), this.part(argument));
  }

  #binary({ operator, left, right }: jsep.BinaryExpression): Part {
    const apply = found(BINARY, operator, 'operator');
    const isOrder = /^[<>]/.test(operator);
    if (isOrder && [left, right].some(({ operator: inner }) => /^[<>]/.test(String(inner)))) {
      throw new RangeError('a < b < c is (a < b) && (b < c) here: write it so');
    }
    return each2(apply, this.part(left), this.part(right));
  }

  #choice({ test, consequent, alternate }: jsep.ConditionalExpression): Part {
    const [chooses, yes, no] = [this.part(test), this.part(consequent), this.part(alternate)];
    return (columns, rows) => {
      const choice = chooses(columns, rows);
      const [a, b] = [yes(columns, rows), no(columns, rows)];
      if (typeof choice === 'number') return isTrue(choice) ? a : b;
      return choice.map((value, i) => (isTrue(value) ? at(a, i) : at(b, i)));
    };
  }

  #call({ callee, arguments: given }: jsep.CallExpression): Part {
    const name = callee.type === 'Identifier' ? String(callee.name) : '';
    const parts = given.map((argument) => this.part(argument));
    const [first, ...others] = parts;
    if (Object.hasOwn(OF_MANY, name)) {
      if (first === undefined) throw new RangeError(`${name}() needs an argument`);
      return others.reduce((sum, part) => each2(OF_MANY[name]!, sum, part), first);
    }
    const apply = found(OF_ONE, name, 'function', FUNCTIONS);
    if (first === undefined || others.length > 0) {
      throw new RangeError(`${name}() takes one argument, not ${given.length}`);
    }
    return each1(apply, first);
  }
}

function found<T>(
  table: Readonly<Record<string, T>>,
  word: string,
  what: string,
  words = Object.keys(table),
): T {
  if (Object.hasOwn(table, word)) return table[word]!;
  const hint = word === '===' ? '==' : word === '!==' ? '!=' : nearest(word, words);
  const allowed = `there are ${words.join(' ')}`;
  throw new RangeError(`no ${what} ${word}; ${hint ? `did you mean ${hint}?` : allowed}`);
}

function at(value: Value, row: number): number {
  return typeof value === 'number' ? value : value[row]!;
}

function each1(apply: (a: number) => number, part: Part): Part {
  return (columns, rows) => {
    const value = part(columns, rows);
    return typeof value === 'number' ? apply(value) : value.map(apply);
  };
}

function each2(apply: (a: number, b: number) => number, left: Part, right: Part): Part {
  return (columns, rows) => {
    const [a, b] = [left(columns, rows), right(columns, rows)];
    if (typeof a === 'number' && typeof b === 'number') return apply(a, b);
    const all = new Float64Array(rows);
    for (let i = 0; i < rows; i++) all[i] = apply(at(a, i), at(b, i));
    return all;
  };
}
