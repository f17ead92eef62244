import { fullWeight } from '../../shared/flag.ts';

const fnvOffset = 0x811c9dc5;
const fnvPrime = 0x01000193;

/**
 * The bucket from 0 to `fullWeight - 1` a value falls into, evenly spread and the same on every machine.
 * The salt keeps flags independent: whoever is early in one rollout isn't early in all of them.
 */
export function bucketOf(salt: string, value: string): number {
  return mix(fnv1a(`${salt}\u0000${value}`)) % fullWeight;
}

function fnv1a(text: string): number {
  let hash = fnvOffset;
  for (const byte of new TextEncoder().encode(text)) {
    hash = Math.imul(hash ^ byte, fnvPrime);
  }
  return hash >>> 0;
}

/** FNV alone leaves the low bits of similar keys alike; this avalanche spreads them. */
function mix(hash: number): number {
  let mixed = hash;
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}
