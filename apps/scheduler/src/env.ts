import { commonEnv, wholeNumber } from '@kiln/runtime';
import { z } from 'zod';
import { DEFAULT_SCHEDULER } from './scheduler.ts';

const DAY_MS = 24 * 3_600_000;

/** The settings of a scheduler, by the names of their environment variables. */
export const schedulerEnv = {
  ...commonEnv,
  KILN_LEADER_TTL_MS: wholeNumber(1_000, DEFAULT_SCHEDULER.leaderTtlMs).describe(
    'how long a scheduler leads without renewing its lease; another one takes over after that',
  ),
  KILN_TICK_MS: wholeNumber(50, DEFAULT_SCHEDULER.tickMs).describe('how often the leader looks for work beside events'),
  KILN_BUILD_RETENTION_DAYS: wholeNumber(1, DEFAULT_SCHEDULER.buildRetentionMs / DAY_MS).describe(
    'how long ended builds are kept',
  ),
  KILN_LIMITS_FILE: z
    .string()
    .optional()
    .describe('default limits of each team and token, the same file as the API’s ([limits.md](limits.md))'),
  KILN_HEALTH_PORT: wholeNumber(0, 0).describe('`/healthz` and `/readyz` on this port of the loopback address; 0: off'),
};
