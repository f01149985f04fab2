/** How long and how much of a stream is kept: the rules as the configuration gives them. */

export type StreamClass = 'critical' | 'normal' | 'bulk';

export interface RetentionRule {
  /** scope/name, `*` standing for any characters but a slash */
  pattern: string;
  /** undefined: for ever */
  ageMs: number | undefined;
  /** undefined: whatever the budget of the store allows */
  bytes: number | undefined;
  /** when the store is full: refuse what is new, or let go of what is oldest */
  onFull: 'reject-new' | 'drop-oldest';
  /** under pressure bulk goes first, critical last */
  class: StreamClass;
}

export const KEEP_ALL: RetentionRule = {
  pattern: '*/*',
  ageMs: undefined,
  bytes: undefined,
  onFull: 'reject-new',
  class: 'normal',
};

/** The first rule whose pattern fits the stream's name; without one, everything is kept. */
export function ruleFor(rules: readonly RetentionRule[], name: string): RetentionRule {
  return rules.find(({ pattern }) => fits(pattern, name)) ?? KEEP_ALL;
}

function fits(pattern: string, name: string): boolean {
  if (pattern === '*') return true;
  const parts = pattern.split('*').map((text) => text.replace(/[.+?^${}()|[\]\\]/g, '\\$&'));
  return new RegExp(`^${parts.join('[^/]*')}$`).test(name);
}
