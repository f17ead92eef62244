import { createHash } from 'node:crypto';
import type { HostTask, HostTaskOrder, SeedAfter } from '@kiln/contracts';
import type { Transfer as Measured } from '@kiln/domain';

/** A task that saves caches in order to fill another host with them. */
export interface SaveForSeed extends HostTask {
  readonly order: Extract<HostTaskOrder, { type: 'save' }> & { readonly seedAfter: SeedAfter };
}

/** A copy of a repo's caches from one host to another: a task that saves it there, then one that seeds it here. */
export interface SeedTransfer {
  readonly save: SaveForSeed;
  /** Undefined until it is created. */
  readonly seed: HostTask | undefined;
}

/** `saved`: the seed is yet to be ordered. */
export type Stage = 'saving' | 'saved' | 'seeding' | 'arrived' | 'failed';

/** How long a saved snapshot is good for a seed, ms. */
const FRESH_MS = 10 * 60_000;
/** A transfer that takes so many times as long as expected, and this much longer, is given up; its tasks continue. */
const PATIENCE = { times: 5, ms: 10 * 60_000 };

export function isSaveForSeed(task: HostTask): task is SaveForSeed {
  return task.order.type === 'save' && task.order.seedAfter !== undefined;
}

/** Returns how far a transfer is. @param now ms since the epoch */
export function stageOf({ save, seed }: SeedTransfer, now: number): Stage {
  if (seed?.state === 'succeeded') return 'arrived';
  if (seed?.state === 'failed' || save.state === 'failed') return 'failed';
  const { expectedMs } = save.order.seedAfter;
  if (now - save.createdAt > PATIENCE.times * expectedMs + PATIENCE.ms) return 'failed';
  if (save.state !== 'succeeded') return 'saving';
  if (seed) return 'seeding';
  return now - (save.endedAt ?? save.createdAt) > FRESH_MS ? 'failed' : 'saved';
}

/** Returns when a transfer that is over ended, ms since the epoch. */
export function endOf({ save, seed }: SeedTransfer): number {
  return seed?.endedAt ?? save.endedAt ?? save.createdAt;
}

/** Returns the measured parts of a transfer. */
export function measuredOf({ save, seed }: SeedTransfer): Measured[] {
  return [save, ...(seed ? [seed] : [])].flatMap(({ order: { type }, state, startedAt, endedAt, result }) => {
    const bytes = result?.bytes;
    if (state !== 'succeeded' || startedAt === undefined || endedAt === undefined) return [];
    if (typeof bytes !== 'number' || (type !== 'save' && type !== 'seed')) return [];
    return [{ kind: type, bytes, ms: endedAt - startedAt }];
  });
}

/** Within this time the same transfer has the same id, ms. */
const WINDOW_MS = 10 * 60_000;
const DIGITS = '0123456789abcdefghjkmnpqrstvwxyz';
const ID_CHARS = 26;

/** Returns an id for a part of a transfer. A leader that takes over in the middle gives it the same one, so it is created once. */
export function transferId(part: 'save' | 'snapshot' | 'seed', parts: readonly string[], now: number): string {
  const text = JSON.stringify([part, ...parts, Math.floor(now / WINDOW_MS)]);
  const hash = createHash('sha256').update(text).digest();
  return Array.from(hash.subarray(0, ID_CHARS), (byte) => DIGITS[byte % DIGITS.length]).join('');
}
