/**
 * What any process may send to the control socket: a decoder returns, or throws a HelicorderError
 * of the documented code; nothing else, and it asks for no more memory than a frame may take.
 */
import { CONTROL_DECODERS } from '../../support/control-decoders.ts';
import { lawful } from '../../support/fuzz.ts';

for (const decoder of CONTROL_DECODERS) lawful(decoder);
