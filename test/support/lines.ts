/** Text that arrives in pieces, as lines that can be waited for. */

interface Waiter {
  wanted: (line: string) => boolean;
  resolve: (line: string) => void;
  reject: (error: Error) => void;
}

export class Lines {
  /** complete lines so far */
  readonly all: string[] = [];
  #rest = '';
  /** of `all`, handed out or passed over by a waiter */
  #seen = 0;
  #waiters: Waiter[] = [];
  #end: Error | undefined;

  push(text: string): void {
    const pieces = (this.#rest + text).split('\n');
    this.#rest = pieces.pop()!;
    for (const piece of pieces) this.all.push(piece);
    this.#serve();
  }

  /** The next line, not seen before, that is wanted. @throws the error of `end` if none comes */
  next(wanted: (line: string) => boolean = () => true): Promise<string> {
    return new Promise((resolve, reject) => {
      this.#waiters.push({ wanted, resolve, reject });
      this.#serve();
    });
  }

  /** No more will come. */
  end(error: Error): void {
    this.#end = error;
    this.#serve();
  }

  /** All text so far, an unfinished line included. */
  get text(): string {
    return [...this.all, this.#rest].join('\n');
  }

  #serve(): void {
    while (this.#waiters.length > 0 && this.#seen < this.all.length) {
      const line = this.all[this.#seen++]!;
      if (this.#waiters[0]!.wanted(line)) this.#waiters.shift()!.resolve(line);
    }
    if (this.#end === undefined) return;
    for (const { reject } of this.#waiters.splice(0)) reject(this.#end);
  }
}
