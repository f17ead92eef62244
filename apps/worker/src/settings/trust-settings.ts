import type { HostBuildersOptions } from '@kiln/buildkit';
import { ENTITLEMENTS } from '@kiln/contracts';
import { type AllowedFrontends, ISOLATIONS, parseDuration, repositoryOf, splitReference, TRUSTS } from '@kiln/domain';
import { wholeNumber } from '@kiln/runtime';
import { z } from 'zod';
import { DEFAULT_BUILDER_IDLE_MS } from '../executors/domain-lane.ts';
import { budgetEnv, budgetSettings, checkBudget } from './budget-settings.ts';
import { buildEgress } from './egress-settings.ts';

/** Variables that configure trust and isolation, the same for `kiln up` and a separate worker. */
export const trustEnv = {
  KILN_TRUST: z
    .enum(TRUSTS, { error: 'trusted or untrusted' })
    .optional()
    .describe(
      'take only `trusted` or only `untrusted` builds; without it both with the driver `docker-container`, `trusted` with `docker` ([hosts.md](hosts.md#untrusted-builds))',
    ),
  KILN_ISOLATION: z
    .enum(ISOLATIONS, { error: 'team, repo or pool' })
    .optional()
    .describe(
      'whose builds share a builder, and so caches: those of a `team`, of a `repo`, or of the whole `pool`; without it `team`, or what the engine is marked for ([hosts.md](hosts.md#isolation))',
    ),
  KILN_FRONTENDS: z
    .string()
    .default('docker/dockerfile')
    .transform(readFrontends)
    .describe(
      'image repositories of the frontends that Dockerfiles may name (`# syntax=`), separated by commas; `none`; `any`',
    ),
  KILN_ENTITLEMENTS: z
    .string()
    .default('none')
    .transform(readEntitlements)
    .describe(
      'privileges that trusted builds get if they ask for them with `--allow`: `network.host`, `security.insecure`, or both, separated by commas; `none`. A step with one can leave its sandbox',
    ),
  KILN_BUILDER_IDLE_MS: wholeNumber(0, DEFAULT_BUILDER_IDLE_MS).describe(
    'a builder without a build for this long is stopped, and keeps its caches; 0: never (driver `docker-container`)',
  ),
  KILN_KEEP_BROKEN_STATE: z
    .string()
    .default('7d')
    .transform(readDuration)
    .describe(
      'how long a builder’s broken state is kept after it got a new one, such as `12h` or `7d`; `0`: not at all (driver `docker-container`, [hosts.md](hosts.md#builders-that-heal))',
    ),
  KILN_CACHE_BUDGET_BYTES: wholeNumber(0, 0).describe('as `KILN_CACHE_BUDGET`, in bytes; 0: by that one'),
  ...budgetEnv,
  KILN_UNTRUSTED_CACHE_BUDGET_BYTES: wholeNumber(0, 0).describe(
    'the part of the budget for untrusted builds; 0: a quarter',
  ),
  KILN_TREE_BUDGET_BYTES: wholeNumber(0, 0).describe(
    'limit of the working trees, the host’s own copies of contexts; untrusted builds get a quarter of it; 0: a tenth of the disk ([hosts.md](hosts.md#working-trees))',
  ),
  KILN_UNTRUSTED_DOCKER_CONFIG: z
    .string()
    .optional()
    .describe(
      'directory with the `config.json` of untrusted builds’ registry logins, which are never those of `KILN_DOCKER_CONFIG`',
    ),
  KILN_BUILD_EGRESS: buildEgress.describe(
    'what builds may reach: `open`, `guarded[,network…]` (driver `docker-container`) or `listed[,server…]` ([network.md](network.md#what-builds-reach))',
  ),
};

/** Reads `any`, `none`, or repositories separated by commas. */
function readFrontends(text: string, ctx: z.RefinementCtx): AllowedFrontends {
  if (text === 'any') return 'any';
  const names = text === 'none' ? [] : text.split(',').map((name) => name.trim());
  const repositories = names.map((name) => (isRepository(name) ? repositoryOf(name) : undefined));
  if (repositories.every((name) => name !== undefined)) return repositories;
  const message = 'none, any, or image repositories without tags, separated by commas: docker/dockerfile';
  ctx.addIssue({ code: 'custom', message, input: text });
  return z.NEVER;
}

/** Reads `none`, or entitlements separated by commas. */
function readEntitlements(text: string, ctx: z.RefinementCtx): readonly string[] {
  const names = text === 'none' ? [] : text.split(',').map((name) => name.trim());
  if (names.every((name) => ENTITLEMENTS.some((known) => known === name))) return names;
  const message = `none, or ${ENTITLEMENTS.join(' and ')}, separated by commas`;
  ctx.addIssue({ code: 'custom', message, input: text });
  return z.NEVER;
}

/** Reads a duration to ms. */
function readDuration(text: string, ctx: z.RefinementCtx): number {
  const seconds = text === '0' ? 0 : parseDuration(text);
  if (seconds !== undefined) return seconds * 1_000;
  ctx.addIssue({ code: 'custom', message: '0, or a duration such as 90m, 12h or 7d', input: text });
  return z.NEVER;
}

function isRepository(text: string): boolean {
  return splitReference(text).name === text && text !== 'none' && text !== 'any';
}

type TrustEnv = z.output<z.ZodObject<typeof trustEnv>>;

/** Refuses budgets that leave nothing for trusted builds. If only the untrusted part is given, `HostBuilders.start` checks it. */
export function checkTrust(env: TrustEnv, refuse: (name: keyof TrustEnv, expected: string) => void): void {
  checkBudget(env, refuse);
  if (env.KILN_BUILD_EGRESS && env.KILN_ENTITLEMENTS.length > 0)
    refuse('KILN_ENTITLEMENTS', 'none, because KILN_BUILD_EGRESS restricts builds, and such steps could evade that');
  const { KILN_UNTRUSTED_CACHE_BUDGET_BYTES: part } = env;
  const { cacheBudgetBytes: all = 0 } = budgetSettings(env);
  if (all > 0 && part >= all) {
    refuse(
      'KILN_UNTRUSTED_CACHE_BUDGET_BYTES',
      `less than ${env.KILN_CACHE_BUDGET ? 'KILN_CACHE_BUDGET' : 'KILN_CACHE_BUDGET_BYTES'} (${all}), of which it is a part`,
    );
  }
}

/** Returns the options of `HostBuilders` that these variables set. */
export function trustSettings(
  env: TrustEnv,
): Pick<
  HostBuildersOptions,
  | 'trust'
  | 'isolation'
  | 'frontends'
  | 'entitlements'
  | 'cacheBudgetBytes'
  | 'cacheBudgetShare'
  | 'treeBudgetBytes'
  | 'untrustedCacheBudgetBytes'
  | 'untrustedDockerConfigDir'
  | 'egress'
> {
  const { KILN_TRUST: trust, KILN_ISOLATION: isolation, KILN_UNTRUSTED_DOCKER_CONFIG: logins } = env;
  const { KILN_UNTRUSTED_CACHE_BUDGET_BYTES: part } = env;
  return {
    ...(trust !== undefined && { trust }),
    ...(isolation !== undefined && { isolation }),
    frontends: env.KILN_FRONTENDS,
    ...(env.KILN_ENTITLEMENTS.length > 0 && { entitlements: env.KILN_ENTITLEMENTS }),
    ...budgetSettings(env),
    ...(env.KILN_TREE_BUDGET_BYTES > 0 && { treeBudgetBytes: env.KILN_TREE_BUDGET_BYTES }),
    ...(part > 0 && { untrustedCacheBudgetBytes: part }),
    ...(logins !== undefined && { untrustedDockerConfigDir: logins }),
    ...(env.KILN_BUILD_EGRESS && { egress: env.KILN_BUILD_EGRESS }),
  };
}

/** Returns how long broken states are kept. */
export function healingSettings({ KILN_KEEP_BROKEN_STATE: keepBrokenMs }: Pick<TrustEnv, 'KILN_KEEP_BROKEN_STATE'>): {
  keepBrokenMs: number;
} {
  return { keepBrokenMs };
}

/** Returns how long idle builders are kept running; with 0, forever. */
export function idleSettings({ KILN_BUILDER_IDLE_MS: builderIdleMs }: Pick<TrustEnv, 'KILN_BUILDER_IDLE_MS'>): {
  builderIdleMs?: number;
} {
  return builderIdleMs > 0 ? { builderIdleMs } : {};
}
