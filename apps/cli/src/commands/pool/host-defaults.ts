import { cpus } from 'node:os';
import { trim, trimEnd } from '@kiln/domain';

/** Returns the default number of slots, half the cores: a build rarely keeps to one. */
export function defaultSlots(): number {
  return Math.max(1, Math.floor(cpus().length / 2));
}

/** Turns the machine's name into a valid host name, replacing the characters that are not allowed. */
export function toHostName(name: string): string {
  const plain = trim(name.toLowerCase().replace(/[^a-z0-9-]+/g, '-'), '-');
  return trimEnd(plain.slice(0, 63), '-') || 'host';
}
