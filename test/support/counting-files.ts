/** The machine's file system, with what is asked of it counted. */
import type { FileSystem } from '../../engine/files/file-system.ts';
import { nodeFileSystem } from '../../engine/files/node-file-system.ts';
import { usingFile } from '../../engine/files/using-file.ts';

export interface Asked {
  /** files opened for reading or buffered writing */
  opened: number;
  bytesRead: number;
}

export interface CountingFiles {
  fs: FileSystem;
  asked: Asked;
  /** The next reading of what was opened so far comes from the disk, as if it were the first. */
  forget: () => void;
}

export function countingFiles(): CountingFiles {
  const paths = new Set<string>();
  const asked: Asked = { opened: 0, bytesRead: 0 };
  const whole = <T extends { length: number }>(content: T): T => {
    asked.opened++;
    asked.bytesRead += content.length;
    return content;
  };
  const fs: FileSystem = {
    ...nodeFileSystem,
    readFile: (path) => whole(nodeFileSystem.readFile(path)),
    readText: (path) => whole(nodeFileSystem.readText(path)),
    open: (path, mode) => {
      asked.opened++;
      paths.add(path);
      const file = nodeFileSystem.open(path, mode);
      const read = file.read.bind(file);
      file.read = (into, position) => {
        const bytes = read(into, position);
        asked.bytesRead += bytes;
        return bytes;
      };
      return file;
    },
  };
  const forget = (): void => {
    for (const path of paths) {
      if (nodeFileSystem.exists(path))
        usingFile(nodeFileSystem, path, 'read', (f) => f.dropCache());
    }
    paths.clear();
  };
  return { fs, asked, forget };
}
