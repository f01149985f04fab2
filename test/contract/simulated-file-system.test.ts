import { SimulatedFileSystem } from '../support/simulated-file-system.ts';
import { describeFileSystem } from './file-system.contract.ts';

describeFileSystem('simulated', () => {
  const fs = new SimulatedFileSystem();
  fs.makeDirectory('/place');
  return { fs, dir: '/place' };
});
