import { mkdirSync, readdirSync, renameSync } from 'node:fs';
import { nodeFileSystem } from '../../engine/files/node-file-system.ts';
import { DirectoryPlace } from '../../engine/store/chunks/directory-place.ts';
import { temporaryDirectory } from '../support/directory.ts';
import { ObjectPlace, ObjectServer } from '../support/object-store.ts';
import { SimulatedFileSystem, calmHost } from '../support/simulated-file-system.ts';
import { describeChunkPlace } from './chunk-place.contract.ts';

const isLeft = (name: string): boolean => name.startsWith('.');

describeChunkPlace("a directory of the machine's", () => {
  const dir = `${temporaryDirectory()}/mount`;
  mkdirSync(dir);
  return {
    place: new DirectoryPlace(nodeFileSystem, dir, true),
    other: new DirectoryPlace(nodeFileSystem, dir, true),
    leftovers: () => readdirSync(dir).filter(isLeft).length,
    setAway: (isAway) => (isAway ? renameSync(dir, `${dir}-away`) : renameSync(`${dir}-away`, dir)),
  };
});

describeChunkPlace('a simulated directory', () => {
  let failing: string | undefined;
  const fs = new SimulatedFileSystem(undefined, {
    ...calmHost,
    fault: (_, path) => (failing && path.startsWith(failing) ? 'ESTALE' : undefined),
  });
  fs.makeDirectory('/mount');
  const other = new SimulatedFileSystem(fs.disk);
  return {
    place: new DirectoryPlace(fs, '/mount', true),
    other: new DirectoryPlace(other, '/mount', true),
    leftovers: () => other.list('/mount').filter(isLeft).length,
    setAway: (isAway) => void (failing = isAway ? '/mount' : undefined),
  };
});

describeChunkPlace('an object store', () => {
  const server = new ObjectServer();
  return {
    place: new ObjectPlace(server),
    other: new ObjectPlace(server),
    leftovers: () => server.uploads.size,
    setAway: (isAway) => void (server.isAway = isAway),
  };
});
