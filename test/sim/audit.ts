/** Everything that is in the store, read from the beginning and held against the oracle. */
import { Store } from '../../engine/store/store.ts';
import type { VerifyReport } from '../../engine/tools/types.ts';
import { verify } from '../../engine/tools/verify.ts';
import { HelicorderError } from '../../engine/base/errors.ts';
import { catalogRows, expectBehind } from './catalog-audit.ts';
import type { Oracle } from './oracle.ts';
import { DIR } from './owners.ts';
import type { Pass } from './pass.ts';
import type { Process } from './world.ts';

/** A process for which the disk works: what it finds wrong is wrong. */
export async function audit(process: Process, oracle: Oracle): Promise<void> {
  process.isSpared = true;
  const report = await verify(DIR, process.environment);
  process.check();
  checkReport(report, oracle, process);
  const rows = catalogRows(process, DIR);
  const store = open(process, oracle);
  if (store === undefined) return;
  // else the log may have lost what the catalog knows; the next owner is told
  if (rows && !oracle.isLenient) expectBehind(rows, store.reader);
  const known = new Set(store.streamNames());
  const passes = [...oracle.streams.keys()].map((name) => [name, oracle.pass(name)] as const);
  for (const [name, pass] of passes) {
    if (known.has(name)) await readWhole(store, name, pass);
    else if (oracle.stream(name).durableEnd > 0 && !oracle.isLenient) {
      throw new Error(`stream ${name} is gone`);
    }
  }
  store.close();
}

function open(process: Process, oracle: Oracle): Store | undefined {
  try {
    return Store.open(DIR, process.environment);
  } catch (error) {
    if (!(error instanceof HelicorderError)) throw error;
    if (error.code === 'DAMAGED' && oracle.isLenient) return undefined;
    // an owner that was killed before it had made one
    if (error.code === 'NOT_A_STORE' && !oracle.hasPromises) return undefined;
    throw error;
  }
}

async function readWhole(store: Store, name: string, pass: Pass): Promise<void> {
  for await (const item of store.read(name)) pass.see(item);
  pass.end();
}

/** I9 and I10: what was spoiled is named, and nothing else is. */
function checkReport({ damage, ok }: VerifyReport, oracle: Oracle, { world }: Process): void {
  for (const [file, inode] of oracle.spoiled) {
    // what was in it is sealed, joined or retired by now
    if (world.disk.find(file)?.inode !== inode) continue;
    const isNamed = damage.some((one) => one.file === file);
    if (!isNamed) throw new Error(`verify does not name the rot in ${file}`);
  }
  // before the first acknowledgement it is no store yet
  if (oracle.isLenient || !oracle.hasPromises) return;
  const invented = damage.filter(
    ({ file }) => !oracle.spoiled.has(file) && !oracle.suspects.has(file),
  );
  const [first] = invented;
  if (first) throw new Error(`verify invents damage: ${first.file} ${first.offset} ${first.what}`);
  if (ok !== (damage.length === 0)) throw new Error(`verify says ok: ${ok}`);
}
