import { statfs } from 'node:fs/promises';
import type { Trust } from '@kiln/domain';
import type { ConnectBuildkit, DriverName } from '../control/buildkit-connection.ts';
import { BuildkitControl } from '../control/buildkit-control.ts';
import type { GcPolicy } from '../control/control-messages.ts';
import type { BuilderOptions, CacheBudget } from './builder-options.ts';

const DEFAULT_SHARE = 0.5;
const ESTIMATED_SHARE = 0.75;
const TREES_SHARE = 0.1;
/** Untrusted builds are fewer, and mostly small changes of what trusted ones build. */
const UNTRUSTED_SHARE = 0.25;

/** Returns the cache limit that Kiln configures for a builder: the given one, or a share of the disk. */
export async function configuredBudget({
  cacheBudgetBytes,
  cacheBudgetShare = DEFAULT_SHARE,
  scratchDir,
}: Pick<BuilderOptions, 'cacheBudgetBytes' | 'cacheBudgetShare' | 'scratchDir'>): Promise<number> {
  return Math.floor(cacheBudgetBytes ?? (await diskBytes(scratchDir)) * cacheBudgetShare);
}

/** Returns the limit of working trees if none is given: a tenth of the disk. */
export async function defaultTreeBudget(scratchDir: string): Promise<number> {
  return Math.floor((await diskBytes(scratchDir)) * TREES_SHARE);
}

/**
 * Splits a budget between the trust classes, so that neither can evict the other's caches.
 * @throws RangeError if `untrustedBytes` leaves nothing for trusted builds
 */
export function splitBudget(bytes: number, untrustedBytes?: number): Record<Trust, number> {
  const untrusted = Math.floor(untrustedBytes ?? bytes * UNTRUSTED_SHARE);
  if (untrusted >= bytes) {
    throw new RangeError(
      `cache budget of untrusted builds: got ${untrusted} bytes, expected less than the ${bytes} of all builds`,
    );
  }
  return { trusted: bytes - untrusted, untrusted };
}

/**
 * Determines how much cache the builder keeps: what Kiln configured, or the limit of the engine's garbage collection, or, if that is
 * unknown, a share of the disk.
 */
export async function cacheBudget(
  options: BuilderOptions,
  driver: DriverName,
  connection: ConnectBuildkit,
): Promise<CacheBudget> {
  if (driver === 'docker-container') return { bytes: await configuredBudget(options), from: 'configured' };
  try {
    await using control = await BuildkitControl.open(connection);
    const bytes = capOf(await control.gcPolicies());
    if (bytes > 0) return { bytes, from: 'engine' };
  } catch (error) {
    options.log.warn({ err: error }, 'garbage collection policy of BuildKit could not be read');
  }
  return { bytes: Math.floor((await diskBytes(options.scratchDir)) * ESTIMATED_SHARE), from: 'estimated' };
}

/** Returns the policies' limit for all records together; 0 if there is none. Limits for some kinds of records are within it. */
export function capOf(policies: readonly GcPolicy[]): number {
  return Math.max(0, ...policies.filter(({ filtered }) => !filtered).map(({ bytes }) => bytes));
}

/** Returns the size of the disk with the scratch directory, which is on the engine's machine and shared with the caches. */
async function diskBytes(scratchDir: string): Promise<number> {
  const { blocks, bsize } = await statfs(scratchDir);
  return blocks * bsize;
}
