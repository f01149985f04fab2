/** Every file of a store says the version of its format; no other is read as if it were known. */
import { HelicorderError } from '../../base/errors.ts';

/** @throws FORMAT_VERSION if `found` is not the version that is known here */
export function checkVersion(file: string, found: number, known: number): void {
  if (found === known) return;
  const facts = `${file} is of format ${found}, this version reads format ${known}`;
  const advice =
    found > known
      ? 'install the version of Helicorder that wrote it, or a later one'
      : 'see "helicorder store migrate"';
  throw new HelicorderError('FORMAT_VERSION', `${facts}: ${advice}`, { details: { file, found } });
}
