/** Who may know whom: the import table of the house, and the one home of each dangerous thing. */
import ts from 'typescript';
import { describe, expect, it } from 'vitest';
import {
  at,
  engineFiles,
  importsOf,
  isMember,
  lineOf,
  parse,
  walk,
  type SourceFile,
  type Violation,
} from './tree.ts';

/** What every end of a copy decides by. */
const PARTICIPANT_RULES = ['participant', 'piece', 'position', 'content', 'tally'].map(
  (name) => `txn/${name}.ts`,
);

/**
 * Rooms and what they may import besides themselves, node's own modules and packages. `face` is
 * `native/index.ts`. An entry with a slash is that one file.
 */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  base: ['face'],
  config: ['base', 'drivers/driver.ts', 'drivers/registry.ts', 'derive/where.ts'],
  files: ['base', 'face'],
  // the ring carries the ledger's reasons and the schema's channel types; it knows no batch
  ring: ['base', 'batch/ledger.ts', 'batch/schema.ts', 'face'],
  batch: ['base', 'codecs/codec.ts', 'face'],
  codecs: ['base', 'face'],
  drivers: ['base', 'batch'],
  sampler: ['base', 'files', 'ring', 'batch', 'drivers', 'face'],
  // a store is a participant by its rules; it knows neither copier nor coordinator
  store: ['base', 'files', 'batch', 'codecs/codec.ts', ...PARTICIPANT_RULES],
  control: ['base', 'files', 'batch', 'store', ...PARTICIPANT_RULES, 'txn/piece-format.ts'],
  txn: ['base', 'batch', 'face'],
  derive: ['base', 'batch', 'codecs/codec.ts', 'txn'],
  targets: ['base', 'batch', 'txn', 'derive', 'store', 'control'],
  tools: ['base', 'batch', 'codecs/codec.ts', 'store', 'control'],
  selftest: ['base', 'files', 'store', 'tools'],
  collector: ['base', 'files', 'ring', 'batch', 'store', 'control', 'face'],
  threads: ['base', 'config', 'sampler', 'store', 'control', 'collector'],
  recorder: [
    ...['base', 'config', 'files', 'ring', 'batch', 'drivers', 'sampler', 'derive', 'store'],
    ...['control', 'tools', 'collector', 'threads', 'face'],
  ],
  connect: [
    ...['base', 'config', 'batch', 'txn', 'derive', 'store', 'control', 'targets', 'tools'],
    'recorder',
  ],
  reader: ['files', 'store', 'tools'],
  index: ['engine'],
  workers: ['engine'],
  cli: ['base', 'config', 'tools', 'reader', 'index'],
  server: ['base', 'config', 'tools', 'index'],
  bench: ['engine', 'face', 'cli'],
};

/** What only writes; a tool reads. */
const WRITERS = ['engine/store/write/writer.ts', 'engine/store/write/log-writer.ts'];
/** The tools that write, through the store's owner or as its owner. */
const WRITING_TOOLS = ['change', 'doctor-repair'].map((name) => `engine/tools/${name}.ts`);

function roomOf(path: string): string {
  const [first, second] = path.split('/');
  if (first !== 'engine') return first!;
  return second!.endsWith('.ts') ? second!.replace(/\.ts$/, '') : second!;
}

function isAllowed(room: string, target: string): boolean {
  const targetRoom = roomOf(target);
  if (targetRoom === room) return true;
  return (MAY_IMPORT[room] ?? []).some((entry) => {
    if (entry === 'face') return target === 'native/index.ts';
    if (entry === 'engine') return target.startsWith('engine/');
    if (entry.includes('/')) return target === entry || target === `engine/${entry}`;
    return entry === targetRoom;
  });
}

/** The rooms of the store, from the lowest: each may import those before it. */
const STORE_ROOMS = ['entries', 'log', 'state', 'chunks', 'read', 'upkeep', 'write'];

/** How high in the store a file stands; what is in no room of it stands above them all. */
function storeFloorOf(path: string): number {
  const [, room] = /^engine\/store\/(\w+)\//.exec(path) ?? [];
  if (room === undefined) return STORE_ROOMS.length;
  const floor = STORE_ROOMS.indexOf(room);
  if (floor < 0) throw new Error(`${path}: ${room} is no room of the store`);
  return floor;
}

function upwardInStore(): Violation[] {
  return engineFiles
    .filter(({ path }) => path.startsWith('engine/store/'))
    .flatMap((file) =>
      importsOf(file)
        .filter(({ target }) => target.startsWith('engine/store/'))
        .filter(({ target }) => storeFloorOf(target) > storeFloorOf(file.path))
        .map(({ line, target }) => at(file, line, `${target} stands above it`)),
    );
}

function isLocal(target: string): boolean {
  return /^(engine|workers|cli|server|bench|native|test)\//.test(target);
}

function brokenTable(): Violation[] {
  return engineFiles.flatMap((file) =>
    importsOf(file)
      .filter(({ target }) => isLocal(target) && !isAllowed(roomOf(file.path), target))
      .map(({ line, target }) => at(file, line, `${roomOf(file.path)} may not import ${target}`)),
  );
}

/** The first cycle found from each of them. @param edges who knows whom */
function cyclesOf(edges: ReadonlyMap<string, readonly string[]>): Violation[] {
  const found = new Set<string>();
  const done = new Set<string>();
  const visit = (one: string, trail: string[]): void => {
    const start = trail.indexOf(one);
    if (start >= 0) found.add([...trail.slice(start), one].join(' → '));
    if (start >= 0 || done.has(one)) return;
    for (const target of edges.get(one) ?? []) visit(target, [...trail, one]);
    done.add(one);
  };
  for (const one of edges.keys()) visit(one, []);
  return [...found];
}

/** Of any kind of import: of types as well. */
function fileEdges(): Map<string, string[]> {
  return new Map(
    engineFiles.map((file) => [file.path, importsOf(file).map(({ target }) => target)]),
  );
}

function roomEdges(): Map<string, string[]> {
  const edges = new Map<string, Set<string>>();
  for (const file of engineFiles) {
    const room = roomOf(file.path);
    const known = edges.get(room) ?? new Set();
    edges.set(room, known);
    for (const { target } of importsOf(file)) {
      if (isLocal(target) && roomOf(target) !== room) known.add(roomOf(target));
    }
  }
  return new Map([...edges].map(([room, known]) => [room, [...known]]));
}

function importsOutside(home: RegExp, module: RegExp, names?: readonly string[]): Violation[] {
  return engineFiles
    .filter(({ path }) => !home.test(path))
    .flatMap((file) =>
      importsOf(file)
        .filter(({ target, typeOnly }) => module.test(target) && !typeOnly)
        .filter((one) => !names || one.names.some((name) => names.includes(name)))
        .map(({ line, target }) => at(file, line, `${target} has its home in ${home.source}`)),
    );
}

function nodesOutside(home: RegExp, what: string, test: (node: ts.Node) => boolean): Violation[] {
  const inFile = (file: SourceFile): Violation[] => {
    const tree = parse(file);
    const found: Violation[] = [];
    walk(tree, (node) => {
      if (!test(node)) return;
      found.push(at(file, lineOf(tree, node.getStart()), `${what} has its home in ${home.source}`));
    });
    return found;
  };
  return engineFiles.filter(({ path }) => !home.test(path)).flatMap(inFile);
}

function constructs(node: ts.Node, name: string): boolean {
  return ts.isNewExpression(node) && node.expression.getText() === name;
}

describe('imports', () => {
  it('every file belongs to a room of the table', () => {
    const homeless = engineFiles.filter(({ path }) => !(roomOf(path) in MAY_IMPORT));
    expect(homeless.map(({ path }) => path)).toEqual([]);
    expect(engineFiles.length).toBeGreaterThan(50);
  });

  it('each room imports only what the table allows', () => {
    expect(brokenTable()).toEqual([]);
  });

  it('the rooms of the store know only those below them', () => {
    expect(upwardInStore()).toEqual([]);
    expect(storeFloorOf('engine/store/log/scan.ts')).toBe(1);
    expect(storeFloorOf('engine/store/store.ts')).toBe(STORE_ROOMS.length);
  });

  it('there are no cycles, neither of files nor of rooms', () => {
    expect(cyclesOf(fileEdges())).toEqual([]);
    expect(cyclesOf(roomEdges())).toEqual([]);
  });

  it('tools read: they do not reach for what writes', () => {
    const found = engineFiles
      .filter(({ path }) => roomOf(path) === 'tools' && !WRITING_TOOLS.includes(path))
      .flatMap((file) =>
        importsOf(file)
          .filter(({ target, typeOnly }) => WRITERS.includes(target) && !typeOnly)
          .map(({ line, target }) => at(file, line, `a tool may not import ${target}`)),
      );
    expect(found).toEqual([]);
  });
});

/** Files and packages that are loaded with `path`; what is imported on demand is not followed. */
function loadedWith(path: string): string[] {
  const loaded = new Set<string>();
  const visit = (target: string): void => {
    if (loaded.has(target)) return;
    loaded.add(target);
    const file = engineFiles.find((one) => one.path === target);
    if (!file) return;
    importsOf(file)
      .filter(({ typeOnly, onDemand }) => !typeOnly && !onDemand)
      .forEach((one) => visit(one.target));
  };
  visit(path);
  return [...loaded];
}

describe('what starts quickly', () => {
  const heavy = ['zod', 'yaml', 'smol-toml', 'piscina', 'pino', 'jsep'];

  it('reading a store does not wait for recorder and configuration', () => {
    const loaded = loadedWith('engine/reader.ts');
    expect(loaded).toContain('engine/store/store.ts');
    expect(loaded.filter((one) => heavy.includes(one) || roomOf(one) === 'recorder')).toEqual([]);
  });

  it('a configuration does not wait for the parsers of files that are not there', () => {
    const loaded = loadedWith('engine/config/config.ts');
    expect(loaded).toContain('engine/config/config-file.ts');
    expect(loaded.filter((one) => ['yaml', 'smol-toml'].includes(one))).toEqual([]);
  });

  it('the program itself loads neither a command nor the engine', () => {
    const loaded = [...loadedWith('cli/main.ts'), ...loadedWith('cli/program.ts')];
    expect(loaded).toContain('cli/program.ts');
    expect(loaded.filter((one) => heavy.includes(one) || /commands|store/.test(one))).toEqual([]);
  });
});

describe('one home each', () => {
  it('node:fs', () => {
    // main.ts closes what the process was given
    const home = /^((engine\/files|bench)\/|cli\/main\.ts$)/;
    expect(importsOutside(home, /^(node:)?fs(\/promises)?$/)).toEqual([]);
  });

  it('node:net', () => {
    const home = /^engine\/(control\/|selftest\/relay\.ts$)/;
    expect(importsOutside(home, /^(node:)?net$/)).toEqual([]);
  });

  it('node:child_process', () => {
    const home = /^(engine\/selftest\/child\.ts$|bench\/)/;
    expect(importsOutside(home, /^(node:)?child_process$/)).toEqual([]);
  });

  it('better-sqlite3', () => {
    expect(
      importsOutside(/^(engine\/store\/state\/catalog\.ts$|bench\/)/, /^better-sqlite3$/),
    ).toEqual([]);
  });

  it('node:worker_threads, and new Worker', () => {
    expect(importsOutside(/^(workers|engine\/threads)\//, /^(node:)?worker_threads$/)).toEqual([]);
    const home = /^engine\/threads\/spawn\.ts$/;
    expect(nodesOutside(home, 'new Worker', (node) => constructs(node, 'Worker'))).toEqual([]);
  });

  it('process.exit', () => {
    const home = /^cli\/main\.ts$/;
    const isExit = (node: ts.Node): boolean => isMember(node, 'process', 'exit');
    expect(nodesOutside(home, 'process.exit', isExit)).toEqual([]);
  });

  it('the wall clock and randomness', () => {
    const home = /^engine\/base\/clock\.ts$/;
    const isImpure = (node: ts.Node): boolean =>
      isMember(node, 'Date', 'now') ||
      isMember(node, 'Math', 'random') ||
      isMember(node, 'process', 'hrtime') ||
      isMember(node, 'performance', 'now') ||
      (constructs(node, 'Date') && (node as ts.NewExpression).arguments?.length === 0);
    expect(nodesOutside(home, 'a clock or randomness', isImpure)).toEqual([]);
    const random = ['randomBytes', 'randomUUID', 'randomInt', 'randomFillSync', 'webcrypto'];
    expect(importsOutside(home, /^(node:)?crypto$/, random)).toEqual([]);
  });

  it('the addon: everybody else uses its typed face', () => {
    expect(importsOutside(/^native\//, /^(#native$|native\/(?!index\.ts$))/)).toEqual([]);
  });
});
