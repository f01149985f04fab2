/** A derivation that only gives a routing key leaves all else as it is. */
import { expect, test } from 'vitest';
import { Derivation } from '../../../engine/derive/derivation.ts';
import { meantRecords, piecesOf, testOrigin } from '../../support/pieces.ts';
import { SEED, SeededRandom } from '../../support/random.ts';

test.each(['samples', 'opaque'] as const)('%s as they are', (kind) => {
  const origin = testOrigin(kind);
  const keyed = new Derivation({ routingKey: 'rig-7' }, 'USAGE');
  const pieces = piecesOf(meantRecords(new SeededRandom(SEED), 50, origin), origin, () => false);
  for (const piece of pieces) {
    const [derived, ...more] = keyed.derive(piece);
    expect(more).toEqual([]);
    expect(derived!.content).toBe(piece.content);
    expect(derived!.origin.attributes).toEqual([
      ['RemoteAddr', 'rig-7'],
      ['derived', `RemoteAddr rig-7 #${keyed.id}`],
    ]);
  }
});
