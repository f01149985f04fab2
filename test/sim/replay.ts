/** One seed of a simulation, which a failure says how to play again. */

/** @param file its file of tests. @throws what broke, with the command that plays it again */
export async function replayable<T>(
  seed: number,
  file: string,
  play: () => Promise<T>,
): Promise<T> {
  try {
    return await play();
  } catch (cause) {
    const command = `HELICORDER_SEED=${seed} npx vitest run test/sim/${file}.test.ts`;
    const message = cause instanceof Error ? cause.message : String(cause);
    throw new Error(`seed ${seed}: ${message}\n  replay: ${command}`, { cause });
  }
}
