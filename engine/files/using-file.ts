/** Opens a file for as long as something is done with it: it is closed whatever becomes of that. */
import type { File, FileSystem } from './file-system.ts';

export function usingFile<T>(
  fs: FileSystem,
  path: string,
  mode: 'read' | 'write' | 'create',
  use: (file: File) => T,
): T {
  const file = fs.open(path, mode);
  try {
    return use(file);
  } finally {
    file.close();
  }
}
