'use strict';
// The one place that finds the compiled addon. `npm run build:native` puts it under build/Release;
// a package that ships prebuilt binaries has them under prebuilds/<platform>-<arch>.
const path = require('node:path');

const candidates = [
  path.join(__dirname, '..', 'build', 'Release', 'helicorder.node'),
  path.join(__dirname, '..', 'prebuilds', `${process.platform}-${process.arch}`, 'helicorder.node'),
];

function load() {
  const failures = [];
  for (const file of candidates) {
    try {
      return require(file);
    } catch (error) {
      // behind the first line stands who asked for it
      failures.push(`${path.basename(path.dirname(file))}: ${error.message.split('\n')[0]}`);
    }
  }
  const error = new Error(
    `the native addon is missing or was built for another Node: run ${advice()} (${failures.join('; ')})`,
  );
  error.code = 'HELICORDER_NO_ADDON';
  throw error;
}

/** An installed package has no sources of its own but those of the addon. */
function advice() {
  return __dirname.split(path.sep).includes('node_modules')
    ? '"npm rebuild helicorder", which needs a C++ compiler, make and Python 3'
    : '"npm run build"';
}

module.exports = load();
