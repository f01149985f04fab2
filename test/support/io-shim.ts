/** Programs whose system calls on files fail at a chosen place: the face of `io-shim.c`. */
import { existsSync, readFileSync } from 'node:fs';

/** Calls that the shim knows; those that nobody makes are struck nowhere. */
export type CallKind =
  | 'open'
  | 'read'
  | 'pread'
  | 'write'
  | 'pwrite'
  | 'pwritev'
  | 'fsync'
  | 'fdatasync'
  | 'rename'
  | 'unlink'
  | 'ftruncate'
  | 'fallocate'
  | 'mmap';

export const FAULTS = ['EIO', 'ENOSPC', 'short', 'kill-before', 'kill-after'] as const;

/** `hang`: the call never returns. */
export type Fault = (typeof FAULTS)[number] | 'hang';

/** What is struck: the `nth` call of a kind, from 1. */
export interface Strike {
  kind: CallKind;
  nth: number;
  fault: Fault;
}

/** One call on a file that was looked at, in the order in which they ended. */
export interface Call {
  /** of its kind, from 1 */
  nth: number;
  kind: CallKind;
  result: 'ok' | 'failed' | Fault;
  path: string;
}

export interface ShimOptions {
  /** of the library */
  shim: string;
  /** calls on paths below it are looked at */
  dir: string;
  /** gets a line for each of them */
  log: string;
  strike?: Strike;
  /** no O_DIRECT: the log takes the buffered rung */
  isBuffered?: boolean;
}

/** The environment of a program under the shim. */
export function shimEnvironment(options: ShimOptions): Record<string, string> {
  const { shim, dir, log, strike, isBuffered = false } = options;
  return {
    LD_PRELOAD: shim,
    IO_SHIM_PATH: dir,
    IO_SHIM_LOG: log,
    // libuv would otherwise be free to hand file calls to the kernel past libc
    UV_USE_IO_URING: '0',
    ...(isBuffered && { IO_SHIM_NO_DIRECT: '1' }),
    ...(strike && {
      IO_SHIM_CALL: strike.kind,
      IO_SHIM_NTH: String(strike.nth),
      IO_SHIM_FAULT: strike.fault,
    }),
  };
}

export function callsIn(log: string): Call[] {
  if (!existsSync(log)) return [];
  const lines = readFileSync(log, 'utf8').split('\n').slice(0, -1);
  return lines.map((line) => {
    const [nth, kind, result, ...path] = line.split(' ');
    return { nth: Number(nth), kind, result, path: path.join(' ') } as Call;
  });
}
