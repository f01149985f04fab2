/** A promise of Helicorder's that does not hold here; the message is the sentence for a person. */
export class BrokenPromise extends Error {
  override readonly name = 'BrokenPromise';
}

/** @throws BrokenPromise unless it holds */
export function promised(holds: boolean, sentence: () => string): void {
  if (!holds) throw new BrokenPromise(sentence());
}
