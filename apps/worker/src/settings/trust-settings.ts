import type { HostBuildersOptions } from '@kiln/buildkit';
import { type AllowedFrontends, ISOLATIONS, repositoryOf, splitReference, TRUSTS } from '@kiln/domain';
import { wholeNumber } from '@kiln/runtime';
import { z } from 'zod';
import { DEFAULT_BUILDER_IDLE_MS } from '../executors/domain-lane.ts';
import { buildEgress } from './egress-settings.ts';

/** Variables that configure trust and isolation, the same for `kiln up` and a separate worker. */
export const trustEnv = {
  KILN_TRUST: z.enum(TRUSTS, { error: 'trusted or untrusted' }).optional(),
  KILN_ISOLATION: z.enum(ISOLATIONS, { error: 'team, repo or pool' }).optional(),
  KILN_FRONTENDS: z.string().default('docker/dockerfile').transform(readFrontends),
  KILN_BUILDER_IDLE_MS: wholeNumber(0, DEFAULT_BUILDER_IDLE_MS),
  KILN_CACHE_BUDGET_BYTES: wholeNumber(0, 0),
  KILN_UNTRUSTED_CACHE_BUDGET_BYTES: wholeNumber(0, 0),
  KILN_UNTRUSTED_DOCKER_CONFIG: z.string().optional(),
  KILN_BUILD_EGRESS: buildEgress,
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

function isRepository(text: string): boolean {
  return splitReference(text).name === text && text !== 'none' && text !== 'any';
}

type TrustEnv = z.output<z.ZodObject<typeof trustEnv>>;

/** Refuses budgets that leave nothing for trusted builds. If only the untrusted part is given, `HostBuilders.start` checks it. */
export function checkTrust(env: TrustEnv, refuse: (name: keyof TrustEnv, expected: string) => void): void {
  const { KILN_CACHE_BUDGET_BYTES: all, KILN_UNTRUSTED_CACHE_BUDGET_BYTES: part } = env;
  if (all > 0 && part >= all) {
    refuse('KILN_UNTRUSTED_CACHE_BUDGET_BYTES', `less than KILN_CACHE_BUDGET_BYTES (${all}), of which it is a part`);
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
  | 'cacheBudgetBytes'
  | 'untrustedCacheBudgetBytes'
  | 'untrustedDockerConfigDir'
  | 'egress'
> {
  const { KILN_TRUST: trust, KILN_ISOLATION: isolation, KILN_UNTRUSTED_DOCKER_CONFIG: logins } = env;
  const { KILN_CACHE_BUDGET_BYTES: all, KILN_UNTRUSTED_CACHE_BUDGET_BYTES: part } = env;
  return {
    ...(trust !== undefined && { trust }),
    ...(isolation !== undefined && { isolation }),
    frontends: env.KILN_FRONTENDS,
    ...(all > 0 && { cacheBudgetBytes: all }),
    ...(part > 0 && { untrustedCacheBudgetBytes: part }),
    ...(logins !== undefined && { untrustedDockerConfigDir: logins }),
    ...(env.KILN_BUILD_EGRESS && { egress: env.KILN_BUILD_EGRESS }),
  };
}

/** Returns how long idle builders are kept running; with 0, forever. */
export function idleSettings({ KILN_BUILDER_IDLE_MS: builderIdleMs }: Pick<TrustEnv, 'KILN_BUILDER_IDLE_MS'>): {
  builderIdleMs?: number;
} {
  return builderIdleMs > 0 ? { builderIdleMs } : {};
}
