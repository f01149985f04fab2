/** Every decoder of what lies on a disk, over its corpus and seeded mutations of it. */
import { DISK_DECODERS } from '../../support/disk-decoders.ts';
import { lawful } from '../../support/fuzz.ts';

for (const decoder of DISK_DECODERS) lawful(decoder);
