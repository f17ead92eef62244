import type { HostBuildersOptions } from '@kiln/buildkit';
import { type Amount, parseAmount } from '@kiln/domain';
import { z } from 'zod';
import type { WorkerOptions } from '../worker-options.ts';

/** A size or a percentage. */
const amount = z
  .string()
  .transform((text, ctx): Amount | undefined => {
    const parsed = parseAmount(text);
    if (!parsed)
      ctx.addIssue({ code: 'custom', message: 'a size such as 200GB, or a percentage such as 40%', input: text });
    return parsed;
  })
  .optional();

/** Variables that limit the caches of a host, the same for `kiln up` and a separate worker. */
export const budgetEnv = {
  KILN_CACHE_BUDGET: amount.describe(
    'limit of the builders’ caches: a size such as `200GB`, or a part of the disk of the data directory such as `40%`; default: `50%` (driver `docker-container`)',
  ),
  KILN_MIN_FREE_DISK: amount.describe(
    'free disk below which the worker evicts caches, and takes no builds if that isn’t enough: a size or a percentage of the disk; `0`: none; default: 1 GB, or 5% of a smaller disk ([hosts.md](hosts.md#room-for-caches))',
  ),
  KILN_REPO_CACHE_CAP: amount.describe(
    'what the caches of one repo may take on a host: a size, or a percentage of the cache budget; default: no limit',
  ),
  KILN_TEAM_CACHE_CAP: amount.describe('what the caches of one team may take on a host, likewise; default: no limit'),
  KILN_REPO_ARCHIVE_CAP: amount.describe(
    'what the archives of one repo’s caches may take in the blob store, each counted whole: a size; the oldest go first, the newest stays; default: `100GB` ([caches.md](../use/caches.md#cache-modes))',
  ),
};

type BudgetEnv = z.output<z.ZodObject<typeof budgetEnv>> & { readonly KILN_CACHE_BUDGET_BYTES: number };

/** Refuses two budgets, budgets of nothing, and a minimum that leaves nothing of the disk. */
export function checkBudget(
  env: BudgetEnv,
  refuse: (name: Exclude<keyof typeof budgetEnv, symbol>, expected: string) => void,
): void {
  if (env.KILN_CACHE_BUDGET && env.KILN_CACHE_BUDGET_BYTES > 0)
    refuse('KILN_CACHE_BUDGET', 'it to be unset together with KILN_CACHE_BUDGET_BYTES, which sets the same');
  for (const name of [
    'KILN_CACHE_BUDGET',
    'KILN_REPO_CACHE_CAP',
    'KILN_TEAM_CACHE_CAP',
    'KILN_REPO_ARCHIVE_CAP',
  ] as const)
    if (isNothing(env[name])) refuse(name, 'more than 0');
  // A host doesn't know how large the blob store is.
  if (env.KILN_REPO_ARCHIVE_CAP && 'share' in env.KILN_REPO_ARCHIVE_CAP)
    refuse('KILN_REPO_ARCHIVE_CAP', 'a size such as 200GB');
  const least = env.KILN_MIN_FREE_DISK;
  if (least && 'share' in least && least.share > MOST_FREE)
    refuse('KILN_MIN_FREE_DISK', `at most ${MOST_FREE * 100}% of the disk`);
}

/** Of a disk of which more must be free, too little is left for caches. */
const MOST_FREE = 0.5;

function isNothing(given: Amount | undefined): boolean {
  return given !== undefined && ('bytes' in given ? given.bytes === 0 : given.share === 0);
}

/** Returns the budget as `HostBuilders` takes it. */
export function budgetSettings({
  KILN_CACHE_BUDGET: budget,
  KILN_CACHE_BUDGET_BYTES: bytes,
}: BudgetEnv): Pick<HostBuildersOptions, 'cacheBudgetBytes' | 'cacheBudgetShare'> {
  if (budget) return 'bytes' in budget ? { cacheBudgetBytes: budget.bytes } : { cacheBudgetShare: budget.share };
  return bytes > 0 ? { cacheBudgetBytes: bytes } : {};
}

/** Returns the other limits as a worker takes them. */
export function cacheLimits(
  env: Omit<BudgetEnv, 'KILN_CACHE_BUDGET_BYTES'>,
): Pick<WorkerOptions, 'minFreeDisk' | 'repoCacheCap' | 'teamCacheCap' | 'repoArchiveCapBytes'> {
  const { KILN_MIN_FREE_DISK: minFreeDisk, KILN_REPO_CACHE_CAP: repo, KILN_TEAM_CACHE_CAP: team } = env;
  const { KILN_REPO_ARCHIVE_CAP: archives } = env;
  return {
    ...(archives && 'bytes' in archives && { repoArchiveCapBytes: archives.bytes }),
    ...(minFreeDisk && { minFreeDisk }),
    ...(repo && { repoCacheCap: repo }),
    ...(team && { teamCacheCap: team }),
  };
}
