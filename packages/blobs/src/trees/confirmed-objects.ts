import type { Digest } from '@kiln/trees';
import type { ObjectKind } from './tree-keys.ts';
import type { TreeTotals } from './tree-totals.ts';

/** How long what was found to be present counts as present without looking again, ms: much shorter than the grace of the sweep. */
export const REMEMBERED_MS = 600_000;
/** Each takes about 300 bytes. */
const MAX_REMEMBERED = 50_000;

interface Confirmed {
  /** Size of a file, or totals of a directory. */
  readonly what: number | TreeTotals;
  /** ms since the epoch. */
  readonly at: number;
}

/**
 * Remembers objects that were stored or found in the store, for all uploads: a directory of a thousand others in which one has changed would otherwise take a thousand
 * lookups again. Only what is durable may be added.
 */
export class ConfirmedObjects {
  readonly #now: () => number;
  readonly #known = new Map<string, Confirmed>();

  constructor(now: () => number) {
    this.#now = now;
  }

  /** Returns what was stored or found in the last minutes. */
  find(team: string, kind: ObjectKind, digest: Digest): number | TreeTotals | undefined {
    const found = this.#known.get(keyOf(team, kind, digest));
    return found && this.#now() - found.at <= REMEMBERED_MS ? found.what : undefined;
  }

  /** Returns the totals of a directory that may be gone. Its digest stands for them, so that they needn't be read again. */
  totals(team: string, digest: Digest): TreeTotals | undefined {
    const what = this.#known.get(keyOf(team, 'directory', digest))?.what;
    return typeof what === 'object' ? what : undefined;
  }

  add(team: string, kind: ObjectKind, digest: Digest, what: number | TreeTotals): void {
    if (this.#known.size >= MAX_REMEMBERED) this.#known.clear();
    this.#known.set(keyOf(team, kind, digest), { what, at: this.#now() });
  }
}

function keyOf(team: string, kind: ObjectKind, digest: Digest): string {
  return `${team} ${kind} ${digest}`;
}
