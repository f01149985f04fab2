/** The version of this program, as `package.json` says it. */
import { createRequire } from 'node:module';

export const VERSION = (
  createRequire(import.meta.url)('helicorder/package.json') as { version: string }
).version;
