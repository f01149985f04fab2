/** Files, functions and lines stay small, the main file of a room says what the room is for. */
import type ts from 'typescript';
import { describe, expect, it } from 'vitest';
import { cppFunctions, typescriptFunctions } from './functions.ts';
import {
  at,
  engineFiles,
  filesUnder,
  isMember,
  lineOf,
  nativeFiles,
  parse,
  scriptFiles,
  testFiles,
  walk,
  type SourceFile,
  type Violation,
} from './tree.ts';

const FILE_MAX_LINES = 400;
const FUNCTION_MAX_LINES = 60;
const LINE_MAX_COLUMNS = 100;
const DESIGN_MIN_LINES = 10;

/** `base` is a shelf of separate things and has no main file. */
const MAIN_FILES = [
  'engine/config/config.ts',
  'engine/files/file-system.ts',
  'engine/ring/ring.ts',
  'engine/batch/format.ts',
  'engine/codecs/codec.ts',
  'engine/drivers/driver.ts',
  'engine/sampler/sampler.ts',
  'engine/txn/participant.ts',
  'engine/store/store.ts',
  'engine/control/server.ts',
  'engine/derive/derivation.ts',
  'engine/selftest/selftest.ts',
  'engine/collector/collector.ts',
  'engine/recorder/recorder.ts',
  'engine/connect/copy.ts',
];

const face = filesUnder(['native'], /^native\/index\.ts$/);
const typescript = [...engineFiles, ...face, ...testFiles];
const all = [...typescript, ...nativeFiles, ...scriptFiles];

function eachLine(
  files: readonly SourceFile[],
  check: (line: string) => string | undefined,
): Violation[] {
  return files.flatMap((file) =>
    file.text.split('\n').flatMap((line, index) => {
      const what = check(line);
      return what === undefined ? [] : [at(file, index + 1, what)];
    }),
  );
}

/**
 * No formatter can break a string: a line of nothing else may be as long as its sentence, and so
 * may the line with the title of a test, which prettier keeps whole.
 */
function isOneString(line: string): boolean {
  return (
    /^\s*(?:[\w.]+:\s*|\(\s*)?(['"`]).*\1\s*[,;)]*$/.test(line) ||
    /^\s*(?:it|test|describe)\((['"`]).*\1, (?:async )?\([^)]*\) => \{$/.test(line) ||
    /https?:\/\/\S+$/.test(line)
  );
}

describe('size', () => {
  it(`no file has more than ${FILE_MAX_LINES} lines`, () => {
    const long = all
      .map((file) => ({ file, lines: file.text.trimEnd().split('\n').length }))
      .filter(({ lines }) => lines > FILE_MAX_LINES)
      .map(({ file, lines }) => at(file, 1, `${lines} lines`));
    expect(long).toEqual([]);
  });

  it(`no function has more than ${FUNCTION_MAX_LINES} lines`, () => {
    const spans = [
      ...typescript.map((file) => ({ file, functions: typescriptFunctions(file) })),
      ...nativeFiles.map((file) => ({ file, functions: cppFunctions(file) })),
    ];
    const long = spans.flatMap(({ file, functions }) =>
      functions
        .filter(({ lines }) => lines > FUNCTION_MAX_LINES)
        .map(({ line, lines }) => at(file, line, `a function of ${lines} lines`)),
    );
    expect(long).toEqual([]);
    const inCpp = nativeFiles.flatMap((file) => cppFunctions(file));
    expect(inCpp.length, 'functions recognised in C++').toBeGreaterThan(nativeFiles.length);
  });

  it(`no line has more than ${LINE_MAX_COLUMNS} columns`, () => {
    const long = eachLine(all, (line) => {
      const columns = [...line].length;
      return columns > LINE_MAX_COLUMNS && !isOneString(line) ? `${columns} columns` : undefined;
    });
    expect(long).toEqual([]);
  });
});

describe('comments', () => {
  it(`the main file of a room begins with its design, at least ${DESIGN_MIN_LINES} lines`, () => {
    const lacking = MAIN_FILES.flatMap((path): Violation[] => {
      const file = engineFiles.find((one) => one.path === path);
      if (file === undefined) return [`${path}: the main file of this room is missing`];
      const comment = /^\/\*\*[\s\S]*?\*\//.exec(file.text)?.[0] ?? '';
      const lines = comment === '' ? 0 : comment.split('\n').length;
      return lines < DESIGN_MIN_LINES ? [at(file, 1, `a design comment of ${lines} lines`)] : [];
    });
    expect(lacking).toEqual([]);
  });

  it('nothing is left for later', () => {
    // put together here, so that this file does not find itself
    const words = ['TO' + 'DO', 'FIX' + 'ME', 'X' + 'XX', 'HA' + 'CK'];
    const pattern = new RegExp(`\\b(${words.join('|')})\\b`);
    const found = eachLine(all, (line) => pattern.exec(line)?.[1]);
    expect(found).toEqual([]);
  });
});

describe('tests', () => {
  it('none is singled out, and none is skipped but loudly', () => {
    const isQuiet = (node: ts.Node): boolean =>
      ['it', 'test', 'describe'].some((suite) =>
        ['only', 'skip', 'skipIf', 'runIf', 'todo'].some((word) => isMember(node, suite, word)),
      );
    const quiet = testFiles
      .filter(({ path }) => path !== 'test/support/skip.ts')
      .flatMap((file) => {
        const tree = parse(file);
        const found: Violation[] = [];
        walk(tree, (node) => {
          if (!isQuiet(node)) return;
          found.push(at(file, lineOf(tree, node.getStart()), `${node.getText()}: use skipLoudly`));
        });
        return found;
      });
    expect(quiet).toEqual([]);
  });
});
