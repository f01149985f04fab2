/** All codecs. Adding one: its file, one line here; the contract suite takes it from here. */
import { constant } from './constant.ts';
import { delta2Rans, deltaRans, rans } from './dense.ts';
import { delta2Pfor, deltaPfor } from './delta-pfor.ts';
import { pfor } from './pfor.ts';
import { raw } from './raw.ts';
import { scaled } from './scaled.ts';
import { shuffleLz4 } from './shuffle-lz4.ts';

/** In order of id: among equally short ones the first is taken. */
export const INTEGER_CODECS = [constant, pfor, deltaPfor, delta2Pfor] as const;
/** For chunks; a log has none of them. */
export const DENSE_CODECS = [rans, deltaRans, delta2Rans] as const;
export const FLOAT_CODECS = [scaled, shuffleLz4, raw] as const;
