/**
 * Every error a user can meet, as a table: code → is trying again sensible, exit code, what to do.
 * `docs/errors.md` is tested equal to it. Programs decide on `error.code`, never on a message.
 * Exit codes are those of sysexits.h.
 */
export const ERRORS = {
  USAGE: {
    exit: 64,
    retryable: false,
    advice: 'See --help of the command; the message names the argument.',
  },
  NO_SUCH_STREAM: {
    exit: 64,
    retryable: false,
    advice: 'List the streams with "helicorder stream ls".',
  },
  NO_SUCH_CURSOR: {
    exit: 64,
    retryable: false,
    advice: 'List the cursors with "helicorder cursor ls".',
  },
  NOT_A_STORE: {
    exit: 64,
    retryable: false,
    advice: 'Give the directory of a store with --data-dir.',
  },
  DAMAGED: {
    exit: 65,
    retryable: false,
    advice: 'Run "helicorder verify"; what is intact stays readable.',
  },
  UNSUPPORTED: {
    exit: 69,
    retryable: false,
    advice:
      'Recording needs Linux, Node 20.19 or newer and the built addon ("npm rebuild helicorder", ' +
      'or "npm run build" in the source tree).',
  },
  UNAVAILABLE: {
    exit: 69,
    retryable: true,
    advice: 'Something outside this machine cannot be reached; the message names it.',
  },
  DEVICE: {
    exit: 78,
    retryable: true,
    advice: 'The configured device cannot be opened; the message names it.',
  },
  REALTIME_REFUSED: {
    exit: 69,
    retryable: false,
    advice: 'Grant the privilege the message names, or use --realtime auto.',
  },
  ASSERTION: {
    exit: 70,
    retryable: false,
    advice: 'This is a bug. Please report the message and what led to it.',
  },
  WORKER_DIED: {
    exit: 70,
    retryable: false,
    advice:
      'A thread ended unexpectedly; nothing accepted is lost. Start again and report the message.',
  },
  STORE_IO: {
    exit: 74,
    retryable: false,
    advice:
      'The disk or file system failed. After a failed sync the store is verified at the next start.',
  },
  NO_SPACE: {
    exit: 74,
    retryable: true,
    advice:
      'Free some space on the disk that holds the store, or raise the budget (store.budget) if ' +
      'it is spent; a waiting recorder goes on by itself.',
  },
  OUTPUT: {
    exit: 74,
    retryable: false,
    advice: 'What the command prints goes where it cannot be written; the message says why.',
  },
  READ_ONLY: {
    exit: 78,
    retryable: false,
    advice: 'The directory cannot be written: check its owner, mode and mount.',
  },
  STORE_IN_USE: {
    exit: 75,
    retryable: true,
    advice: 'Stop whoever owns this store first, or name another directory.',
  },
  TARGET_ROLLED_BACK: {
    exit: 65,
    retryable: false,
    advice: 'The target was restored from an older copy; decide there, then start a new copy.',
  },
  SOURCE_DIVERGED: {
    exit: 65,
    retryable: false,
    advice:
      'The source was restored from an older copy, or cloned. Look at both; the message says how to go on.',
  },
  MARKER_GONE: {
    exit: 65,
    retryable: false,
    advice: 'Keep the position of a copy outside the retention of the target; start a new copy.',
  },
  FENCED: {
    exit: 69,
    retryable: false,
    advice:
      'Another process has opened the same writer since: give each producer a --writer of its own.',
  },
  NO_OWNER: {
    exit: 69,
    retryable: true,
    advice: 'Start "helicorder run" first, or name its directory with --data-dir.',
  },
  OWNER_BUSY: {
    exit: 75,
    retryable: true,
    advice: 'The process that owns the store serves as many others as it can; try again.',
  },
  DISCONNECTED: {
    exit: 69,
    retryable: true,
    advice: 'What was acknowledged is durable; do it again for the rest.',
  },
  PROTOCOL: {
    exit: 76,
    retryable: false,
    advice: 'Let both processes run the same version of Helicorder.',
  },
  CONFIG: {
    exit: 78,
    retryable: false,
    advice: 'Correct the configuration; "helicorder validate FILE" checks it.',
  },
  FORMAT_VERSION: {
    exit: 78,
    retryable: false,
    advice: 'The message says which file, and what to do about its version.',
  },
} as const satisfies Record<string, { exit: number; retryable: boolean; advice: string }>;

export type ErrorCode = keyof typeof ERRORS;

export interface ErrorOptions {
  cause?: unknown;
  /** facts for programs: file, offset, option, nearest … */
  details?: Readonly<Record<string, string | number>>;
}

export class HelicorderError extends Error {
  override readonly name = 'HelicorderError';
  readonly code: ErrorCode;
  readonly details: Readonly<Record<string, string | number>>;

  constructor(code: ErrorCode, message: string, options: ErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.details = options.details ?? {};
  }

  get exitCode(): number {
    return ERRORS[this.code].exit;
  }

  get retryable(): boolean {
    return ERRORS[this.code].retryable;
  }
}

/** Is it an error of ours, with this code? */
export function isCode(error: unknown, code: ErrorCode): error is HelicorderError {
  return error instanceof HelicorderError && error.code === code;
}

/** The `code` of a failed system call (`ENOSPC` …), or undefined. */
export function errnoCode(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  const code = (error as NodeJS.ErrnoException).code;
  return typeof code === 'string' && /^E[A-Z0-9]+$/.test(code) ? code : undefined;
}

/** Has a system call failed since the disk is full, or what of it one may take is taken? */
export function isNoSpace(error: unknown): boolean {
  const errno = errnoCode(error);
  return errno === 'ENOSPC' || errno === 'EDQUOT';
}

/** Under which an error is told. A system call that fails where nobody expects it is no bug. */
export function codeOf(error: unknown): ErrorCode {
  if (error instanceof HelicorderError) return error.code;
  if (isNoSpace(error)) return 'NO_SPACE';
  return errnoCode(error) === undefined ? 'ASSERTION' : 'STORE_IO';
}

/**
 * Wraps a failed system call on `file` into the error that tells a user what to do.
 * @param range of the file, bytes; undefined: it is about all of it
 */
export function ioError(
  error: unknown,
  doing: string,
  file: string,
  range?: { offset: number; length: number },
): HelicorderError {
  if (error instanceof HelicorderError) return error;
  const errno = errnoCode(error);
  const code = isNoSpace(error) ? 'NO_SPACE' : 'STORE_IO';
  const place = range ? ` (${range.length} bytes at ${range.offset})` : '';
  return new HelicorderError(code, `${doing} ${file}${place}: ${errno ?? String(error)}`, {
    cause: error,
    details: { file, ...range, ...(errno === undefined ? {} : { errno }) },
  });
}

/** Does something with a file: a system call that fails there is told as `ioError` has it. */
export function doingIo<T>(
  doing: string,
  file: string,
  work: () => T,
  range?: { offset: number; length: number },
): T {
  try {
    return work();
  } catch (error) {
    throw errnoCode(error) === undefined ? error : ioError(error, doing, file, range);
  }
}

/** As `ioError`, for the opening of a directory: what cannot be one is a wrong setting. */
export function openError(error: unknown, doing: string, dir: string): HelicorderError {
  const errno = errnoCode(error);
  if (errno === 'ENOTDIR' || errno === 'EEXIST') {
    return new HelicorderError('NOT_A_STORE', `${doing} ${dir}: it is no directory`, {
      cause: error,
      details: { dir },
    });
  }
  const isRefused = errno === 'EROFS' || errno === 'EACCES' || errno === 'EPERM';
  if (error instanceof HelicorderError || !isRefused) return ioError(error, doing, dir);
  return new HelicorderError('READ_ONLY', `${doing} ${dir}: ${errno}`, {
    cause: error,
    details: { file: dir, errno },
  });
}

/** What has been thrown, as part of a sentence. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** The candidate with the smallest edit distance to `word`, if it is close enough to suggest. */
export function nearest(word: string, candidates: Iterable<string>): string | undefined {
  let best: string | undefined;
  let bestDistance = Math.max(2, Math.floor(word.length / 2)) + 1;
  for (const candidate of candidates) {
    const distance = editDistance(word.toLowerCase(), candidate.toLowerCase());
    if (distance < bestDistance) [best, bestDistance] = [candidate, distance];
  }
  return best;
}

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const substitution = row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(substitution, row[j]! + 1, next[j - 1]! + 1));
    }
    row = next;
  }
  return row[b.length]!;
}
