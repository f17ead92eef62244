import { metricsEnv, tracesEnv } from '@kiln/metrics';
import { commonEnv, wholeNumber } from '@kiln/runtime';
import { z } from 'zod';
import { DEFAULT_HOST_GRACE_MS } from './abandoner.ts';
import { DEFAULT_SCHEDULER, type SchedulerConfig } from './scheduler.ts';

const DAY_MS = 24 * 3_600_000;

/** Environment variables for scheduling, the same for `kiln up` and a separate scheduler process. */
export const schedulingEnv = {
  KILN_LEADER_TTL_MS: wholeNumber(1_000, DEFAULT_SCHEDULER.leaderTtlMs).describe(
    'how long a scheduler leads without renewing its lease; another one takes over after that',
  ),
  KILN_TICK_MS: wholeNumber(50, DEFAULT_SCHEDULER.tickMs).describe('how often the leader looks for work beside events'),
  KILN_SEEDING: z
    .enum(['on', 'off'])
    .default('on')
    .describe(
      'whether cold hosts are filled with cache mounts of warm ones ([placement](../develop/placement.md#seeding))',
    ),
  KILN_HOST_GRACE_SECONDS: wholeNumber(0, DEFAULT_HOST_GRACE_MS / 1000).describe(
    'how long a host that stopped reporting still counts: builds that only it can take fail with `no_fitting_host` after that',
  ),
  KILN_BUILD_RETENTION_DAYS: wholeNumber(1, DEFAULT_SCHEDULER.buildRetentionMs / DAY_MS).describe(
    'how long ended builds are kept',
  ),
};

/** Turns the variables into settings. */
export function schedulingConfig(env: z.output<z.ZodObject<typeof schedulingEnv>>): Omit<SchedulerConfig, 'limits'> {
  return {
    leaderTtlMs: env.KILN_LEADER_TTL_MS,
    tickMs: env.KILN_TICK_MS,
    seeding: env.KILN_SEEDING === 'on',
    hostGraceMs: env.KILN_HOST_GRACE_SECONDS * 1000,
    buildRetentionMs: env.KILN_BUILD_RETENTION_DAYS * DAY_MS,
  };
}

/** All environment variables of a scheduler process. */
export const schedulerEnv = {
  ...commonEnv,
  ...metricsEnv,
  ...tracesEnv,
  ...schedulingEnv,
  KILN_LIMITS_FILE: z
    .string()
    .optional()
    .describe('default limits of each team and token, YAML or JSON ([limits.md](limits.md))'),
  KILN_HEALTH_PORT: wholeNumber(0, 0).describe('`/healthz` and `/readyz` on this port of the loopback address; 0: off'),
};
