/** What users and their machine give, whatever it is. */
import { lawful } from '../../support/fuzz.ts';
import { INPUT_DECODERS } from '../../support/input-decoders.ts';

for (const decoder of INPUT_DECODERS) lawful(decoder);
