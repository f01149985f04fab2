/** A store as what the contract of participants asks for. */
import { systemEnvironment } from '../../engine/store/store.ts';
import { StoreParticipant } from '../../engine/targets/store-participant.ts';
import { temporaryDirectory } from './directory.ts';
import { LocalOwner, recordsOf } from './local-owner.ts';
import type { ParticipantCase } from './participant-cases.ts';
import { testOrigin } from './pieces.ts';

const STREAM = 'a/b';
const MAX_RECORDS = 500;

export function storeCase(): ParticipantCase {
  const dir = temporaryDirectory();
  const owner = new LocalOwner(dir, undefined, systemEnvironment, { maxRecords: MAX_RECORDS });
  const { schema } = testOrigin('samples');
  const target = { stream: STREAM, schema, samplesPerEvent: 7 };
  return {
    connect: () => new StoreParticipant(owner.connect(), target),
    visible: () => recordsOf(dir, STREAM),
    loseNextCommitReply: () => {
      owner.fate = (type) => {
        if (type !== 'txn-commit') return 'served';
        owner.fate = () => 'served';
        return 'reply lost';
      };
    },
    maxRecords: MAX_RECORDS,
    change: (onArrival) => (owner.onArrival = onArrival),
    expire: () => owner.restart(),
  };
}
