import { statfs } from 'node:fs/promises';
import type { Trust } from '@kiln/domain';
import type { BuilderOptions, CacheBudget, DriverName } from './builder-options.ts';
import type { ConnectBuildkit } from './buildkit-connection.ts';
import { BuildkitControl } from './buildkit-control.ts';
import type { GcPolicy } from './control-messages.ts';

const DEFAULT_SHARE = 0.5;
const ESTIMATED_SHARE = 0.75;
/** Untrusted builds are fewer, and as a rule small changes of what trusted ones build. */
const UNTRUSTED_SHARE = 0.25;

/** The cap that Kiln gives a builder of its own. */
export async function configuredBudget({ cacheBudgetBytes, scratchDir }: BuilderOptions): Promise<number> {
  return Math.floor(cacheBudgetBytes ?? (await diskBytes(scratchDir)) * DEFAULT_SHARE);
}

/**
 * What each class gets of a budget for both, so that neither can evict the other's caches.
 * @throws RangeError where `untrustedBytes` leaves nothing
 */
export function splitBudget(bytes: number, untrustedBytes?: number): Record<Trust, number> {
  const untrusted = Math.floor(untrustedBytes ?? bytes * UNTRUSTED_SHARE);
  if (untrusted >= bytes) {
    throw new RangeError(
      `a cache budget of ${untrusted} bytes for untrusted builds leaves nothing of ${bytes} for others`,
    );
  }
  return { trusted: bytes - untrusted, untrusted };
}

/**
 * How much cache the builder keeps: what Kiln configured, or what the engine's garbage collection lets stand, or, where that
 * can't be told, a share of the disk.
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
    options.log.warn({ err: error }, 'BuildKit does not tell its garbage collection policy');
  }
  return { bytes: Math.floor((await diskBytes(options.scratchDir)) * ESTIMATED_SHARE), from: 'estimated' };
}

/** What the policies let stand of all records together; 0 where they have no such cap. Rules for some kinds are within it. */
export function capOf(policies: readonly GcPolicy[]): number {
  return Math.max(0, ...policies.filter(({ filtered }) => !filtered).map(({ bytes }) => bytes));
}

/** The scratch directory lies on the engine's machine, whose disk the caches share. */
async function diskBytes(scratchDir: string): Promise<number> {
  const { blocks, bsize } = await statfs(scratchDir);
  return blocks * bsize;
}
