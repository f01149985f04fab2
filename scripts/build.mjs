// Builds what is asked for, or only what is missing or stale:
//   build.mjs native | dist | all    always
//   build.mjs stale                  compares a hash of the inputs with the one of the last build
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  copyFileSync,
  existsSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { availableParallelism, freemem } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** What one compiler takes at most, with room to spare. */
const COMPILER_BYTES = 512 * 1024 * 1024;

const root = join(dirname(fileURLToPath(import.meta.url)), '..');

const targets = {
  native: {
    inputs: ['binding.gyp', 'native/src'],
    output: 'build/Release/helicorder.node',
    stamp: 'build/inputs.stamp',
    build: () => run('node-gyp', ['rebuild', '--loglevel=error', '--jobs', jobs(), ...headers()]),
  },
  dist: {
    inputs: [
      'engine',
      'workers',
      'cli',
      'bench',
      'native/index.ts',
      'tsconfig.json',
      'tsconfig.build.json',
      'scripts/build.mjs',
    ],
    output: 'dist/engine/index.js',
    stamp: 'dist/inputs.stamp',
    build: async () => {
      rmSync(join(root, 'dist'), { recursive: true, force: true });
      const tsc = join(root, 'node_modules/typescript/bin/tsc');
      // types are checked by "npm run typecheck": without that a build takes half the time
      run(process.execPath, [tsc, '-p', 'tsconfig.build.json', '--noCheck']);
      await bundle(join(root, 'dist'));
    },
  },
};

/** What is loaded by a path or a name, by the program, its workers and a user: a file each. */
const ENTRIES = /^(cli\/main|engine\/index|workers\/.*\.worker|bench\/(run|child-.*))\.ts$/;
/** Our own modules, and zod: its 80 files are a third of what loading everything takes. */
const BUNDLED = /^([./]|zod$)/;

/**
 * A program of 300 modules in a file for each entry and one for what entries share: a thread that
 * starts finds and reads some ten files in place of 150, and a recorder records a third sooner.
 */
async function bundle(dir) {
  const { rolldown } = await import('rolldown');
  const sources = ['cli', 'engine', 'workers', 'bench'].flatMap((room) =>
    readdirSync(join(root, room)).map((file) => `${room}/${file}`),
  );
  const entries = sources.filter((path) => ENTRIES.test(path));
  const input = Object.fromEntries(
    entries.map((path) => [path.slice(0, -'.ts'.length), join(root, path)]),
  );
  const external = (id) => !BUNDLED.test(id);
  const program = await rolldown({ input, external, cwd: root, platform: 'node' });
  await program.write({ dir, sourcemap: true, chunkFileNames: 'shared/[name]-[hash].js' });
  await program.close();
  copyFileSync(join(root, 'node_modules/zod/LICENSE'), join(dir, 'LICENSE.zod'));
}

function run(command, args) {
  // stdout belongs to the program that is built for (`npm start -- --json`): tools use stderr
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: ['ignore', 2, 2] });
  if (error?.code === 'ENOENT')
    fail(`${command} not found: run this through npm ("npm run build")`);
  if (status !== 0) fail(`${command} failed; the addon needs a C++ compiler, make and Python 3`);
}

function fail(message) {
  console.error(`helicorder: ${message}`);
  process.exit(1);
}

/** Compilers at once: as many as there are processors and memory for. */
function jobs() {
  return String(
    Math.max(1, Math.min(availableParallelism(), Math.floor(freemem() / COMPILER_BYTES))),
  );
}

/** Node's headers, if they lie beside this Node: then nothing is downloaded. */
function headers() {
  const prefix = join(dirname(process.execPath), '..');
  return existsSync(join(prefix, 'include/node/node_api.h')) ? [`--nodedir=${prefix}`] : [];
}

/** The results of a benchmark lie beside its sources, and are none. */
const SOURCE = /\.(ts|cc|h)$/;

function* filesUnder(path) {
  if (!existsSync(path)) return;
  const entries = readdirSync(path, { withFileTypes: true, recursive: true });
  for (const { name, parentPath } of entries) if (SOURCE.test(name)) yield join(parentPath, name);
}

function hashOf(inputs) {
  const hash = createHash('sha256').update(process.arch);
  for (const input of inputs) {
    const path = join(root, input);
    const files = /\.[a-z]+$/.test(input) ? [path] : [...filesUnder(path)].sort();
    for (const file of files) hash.update(file.slice(root.length)).update(readFileSync(file));
  }
  return hash.digest('hex');
}

function isStale(name) {
  const { inputs, output, stamp } = targets[name];
  if (!existsSync(join(root, output)) || !existsSync(join(root, stamp))) return true;
  return readFileSync(join(root, stamp), 'utf8') !== hashOf(inputs);
}

async function buildTarget(name) {
  console.error(`helicorder: building ${name} …`);
  const { inputs, stamp, build } = targets[name];
  await build();
  writeFileSync(join(root, stamp), hashOf(inputs));
}

const mode = process.argv[2];
const names = mode === 'native' || mode === 'dist' ? [mode] : Object.keys(targets);
if (!['native', 'dist', 'all', 'stale'].includes(mode))
  fail('usage: build.mjs native|dist|all|stale');
// A published package has no sources of its own: there is nothing to compile dist from.
const wanted = names.filter(
  (name) => name !== 'dist' || existsSync(join(root, 'tsconfig.build.json')),
);
for (const name of wanted) if (mode !== 'stale' || isStale(name)) await buildTarget(name);
