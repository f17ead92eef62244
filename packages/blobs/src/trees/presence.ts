import type { Digest } from '@kiln/trees';
import type { BlobInfo, BlobStore } from '../blob-store.ts';
import { type ObjectKind, objectKey } from './tree-keys.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/** How much longer than the horizon an object is kept: what was reported as present stays so for this long at least. */
export const GRACE_MS = HOUR_MS;

/**
 * `stale`: there is a blob, but it was used so long ago that it may be deleted at any moment. Counts as absent, except that storing it again
 * must keep the sweep out meanwhile.
 */
export type Presence = 'absent' | 'stale' | BlobInfo;

/**
 * Tells which objects of teams are present: those whose last use is younger than the horizon. Asking counts as a use.
 *
 * A directory that is present has everything below it, because the sweep keeps what can be reached from directories younger than horizon and grace.
 * Something older says nothing about what is below it, and must not be made younger by a mere question.
 */
export class PresenceBook {
  readonly #blobs: Pick<BlobStore, 'stat' | 'touch'>;
  readonly #horizonMs: number;
  readonly #now: () => number;

  constructor(blobs: Pick<BlobStore, 'stat' | 'touch'>, horizonMs: number, now: () => number) {
    this.#blobs = blobs;
    this.#horizonMs = horizonMs;
    this.#now = now;
  }

  async of(team: string, kind: ObjectKind, digest: Digest): Promise<Presence> {
    const key = objectKey(team, kind, digest);
    const info = await this.#blobs.stat(key);
    if (!info) return 'absent';
    const unusedMs = this.#now() - info.usedAt;
    if (unusedMs >= this.#horizonMs) return 'stale';
    const refreshMs = Math.min(DAY_MS, this.#horizonMs / 4);
    if (unusedMs <= refreshMs) return info;
    return (await this.#blobs.touch(key, refreshMs)) ?? 'absent';
  }
}

export function isPresent(presence: Presence): presence is BlobInfo {
  return typeof presence === 'object';
}
