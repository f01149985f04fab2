import { FakeNetwork } from '../support/fake-network.ts';
import { FakeStoreParticipant, FakeStoreTarget } from '../support/fake-store-participant.ts';
import {
  FakeTwoPhaseParticipant,
  FakeTwoPhaseTarget,
} from '../support/fake-two-phase-participant.ts';
import { SEED, SeededRandom } from '../support/random.ts';
import { storeCase } from '../support/store-case.ts';
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

describeParticipant('store', storeCase);

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
