/** A few texts in memory for drivers: it counts what is open, and files can vanish. */
import type { DriverFiles, OpenText } from '../../engine/drivers/driver.ts';

export class FakeDriverFiles implements DriverFiles {
  readonly #texts = new Map<string, string>();
  openCount = 0;

  constructor(texts: Record<string, string>) {
    for (const [path, text] of Object.entries(texts)) this.set(path, text);
  }

  set(path: string, text: string): void {
    this.#texts.set(path, text);
  }

  /** The file, or the directory with all that is in it, is gone; what is open cannot be read. */
  remove(path: string): void {
    for (const known of this.#texts.keys()) {
      if (known === path || known.startsWith(`${path}/`)) this.#texts.delete(known);
    }
  }

  list(dir: string): string[] {
    const prefix = dir === '/' ? '/' : `${dir}/`;
    const inside = [...this.#texts.keys()].filter((path) => path.startsWith(prefix));
    return [...new Set(inside.map((path) => path.slice(prefix.length).split('/')[0]!))].sort();
  }

  readText(path: string): string {
    const text = this.#texts.get(path);
    if (text === undefined) throw new Error(`ENOENT: ${path}`);
    return text;
  }

  openText(path: string): OpenText {
    this.readText(path);
    this.openCount++;
    let isOpen = true;
    return {
      read: () => (isOpen ? this.#texts.get(path) : undefined),
      close: () => {
        // a descriptor that is closed twice is by then somebody else's
        if (!isOpen) throw new Error(`EBADF: ${path}`);
        isOpen = false;
        this.openCount--;
      },
    };
  }
}
