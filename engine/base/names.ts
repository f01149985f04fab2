/** What may be a name: one rule for configurations, commands and messages. */

/** scope/name; how long it may be is NAME_MAX_LENGTH. */
export const STREAM_NAME = /^[A-Za-z0-9._-]+\/[A-Za-z0-9._-]+$/;
export const CURSOR_NAME = /^[A-Za-z0-9._-]{1,100}$/;
