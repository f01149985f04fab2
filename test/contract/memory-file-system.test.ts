import { MemoryFileSystem } from '../support/memory-file-system.ts';
import { describeFileSystem } from './file-system.contract.ts';

describeFileSystem('in memory', () => {
  const fs = new MemoryFileSystem();
  fs.makeDirectory('/place');
  return { fs, dir: '/place' };
});
