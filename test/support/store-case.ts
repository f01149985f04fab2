/** A store as what the contract of participants asks for. */
import { StoreParticipant } from '../../engine/targets/store-participant.ts';
import type { ParticipantCase } from '../contract/participant.contract.ts';
import { temporaryDirectory } from './directory.ts';
import { LocalOwner, recordsOf } from './local-owner.ts';
import { testOrigin } from './pieces.ts';

const STREAM = 'a/b';

export function storeCase(): ParticipantCase {
  const dir = temporaryDirectory();
  const owner = new LocalOwner(dir);
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
    expire: () => owner.restart(),
  };
}
