import { wholeNumber } from '@kiln/runtime';
import type { z } from 'zod';
import { DEFAULT_INVENTORY_EVERY_MS } from '../caches/cache-reporter.ts';
import { DEFAULT_LEASE } from '../session/host-session.ts';
import type { WorkerOptions } from '../worker-options.ts';

/** Environment variables for what a host reports and when, the same for `kiln up` and a separate worker process. */
export const reportEnv = {
  KILN_LEASE_TTL_MS: wholeNumber(2_000, DEFAULT_LEASE.leaseTtlMs).describe(
    'how long a host counts as alive after a report; its builds run elsewhere after that',
  ),
  KILN_SYNC_EVERY_MS: wholeNumber(100, DEFAULT_LEASE.syncEveryMs).describe('how often a worker reports'),
  KILN_FENCE_MARGIN_MS: wholeNumber(500, DEFAULT_LEASE.fenceMarginMs).describe(
    'how long before the end of its lease a worker that cannot renew it kills its builds',
  ),
  KILN_INVENTORY_EVERY_MS: wholeNumber(1_000, DEFAULT_INVENTORY_EVERY_MS).describe(
    'how often the caches are read, beside after each build',
  ),
};

type ReportEnv = z.output<z.ZodObject<typeof reportEnv>>;

/** Refuses leases that would end before a worker had renewed them or killed its builds. */
export function checkLease(env: ReportEnv, refuse: (name: keyof ReportEnv, expected: string) => void): void {
  if (env.KILN_FENCE_MARGIN_MS + env.KILN_SYNC_EVERY_MS >= env.KILN_LEASE_TTL_MS) {
    refuse('KILN_LEASE_TTL_MS', 'more than KILN_SYNC_EVERY_MS and KILN_FENCE_MARGIN_MS together');
  }
}

/** Turns the variables into settings. */
export function reportSettings(
  env: ReportEnv,
): Required<Pick<WorkerOptions, 'leaseTtlMs' | 'syncEveryMs' | 'fenceMarginMs' | 'inventoryEveryMs'>> {
  return {
    leaseTtlMs: env.KILN_LEASE_TTL_MS,
    syncEveryMs: env.KILN_SYNC_EVERY_MS,
    fenceMarginMs: env.KILN_FENCE_MARGIN_MS,
    inventoryEveryMs: env.KILN_INVENTORY_EVERY_MS,
  };
}
