import { FakeNetwork } from '../support/fake-network.ts';
import { FakeStoreParticipant, FakeStoreTarget } from '../support/fake-store-participant.ts';
import {
  FakeTwoPhaseParticipant,
  FakeTwoPhaseTarget,
} from '../support/fake-two-phase-participant.ts';
import { LocalOwner, recordsOf } from '../support/local-owner.ts';
import { temporaryDirectory } from '../support/directory.ts';
import { testOrigin } from '../support/pieces.ts';
import { systemEnvironment } from '../../engine/store/store.ts';
import { StoreParticipant } from '../../engine/targets/store-participant.ts';
import { SEED, SeededRandom } from '../support/random.ts';
import { describeParticipant } from './participant.contract.ts';

describeParticipant('fake, position with data', () => {
  const random = new SeededRandom(SEED);
  const target = new FakeStoreTarget(random);
  const network = new FakeNetwork(random);
  return {
    connect: () => new FakeStoreParticipant(target, network),
    visible: () => Promise.resolve(target.records),
    loseNextCommitReply: () => (network.next = { request: 'commit', how: 'loseReply' }),
    maxRecords: target.limits.maxRecords,
    change: (onArrival) => (target.onArrival = onArrival),
    expire: () => target.expire(),
  };
});

describeParticipant('store', () => {
  const dir = temporaryDirectory();
  const maxRecords = 500;
  const owner = new LocalOwner(dir, undefined, systemEnvironment, { maxRecords });
  const { schema } = testOrigin('samples');
  return {
    connect: () =>
      new StoreParticipant(owner.connect(), { stream: 'a/b', schema, samplesPerEvent: 7 }),
    visible: () => recordsOf(dir, 'a/b'),
    loseNextCommitReply: () => {
      owner.fate = (type) => {
        if (type !== 'txn-commit') return 'served';
        owner.fate = () => 'served';
        return 'reply lost';
      };
    },
    maxRecords,
    change: (onArrival) => (owner.onArrival = onArrival),
    expire: () => owner.restart(),
  };
});

describeParticipant('fake, two-phase', () => {
  const random = new SeededRandom(SEED);
  const target = new FakeTwoPhaseTarget(random);
  const network = new FakeNetwork(random);
  return {
    connect: () => new FakeTwoPhaseParticipant(target, network),
    visible: () => Promise.resolve(target.records),
    loseNextCommitReply: () => (network.next = { request: 'commit', how: 'loseReply' }),
    maxRecords: target.limits.maxRecords,
    change: (onArrival) => (target.onArrival = onArrival),
    expire: () => target.expire(),
    trim: () => target.trim(),
  };
});
