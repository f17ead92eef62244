import { commonEnv, wholeNumber } from '@kiln/runtime';
import { z } from 'zod';
import { accessEnv } from './access/settings.ts';
import { API_DEFAULTS } from './config.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** A batch has up to 64 KiB, or one record: with room for fewer batches every build would stall. */
const LEAST_LIVE_LOG_BYTES = 256 * 1024;

/** The settings of an API process, by the names of their environment variables. */
export const apiEnv = {
  ...commonEnv,
  KILN_HOST: z.string().default(API_DEFAULTS.host).describe('the address to listen on'),
  KILN_PORT: wholeNumber(0, API_DEFAULTS.port).describe('the port to listen on; 0: any free one'),
  ...accessEnv,
  KILN_TOKEN: z.string().optional().describe('the token of the local admin'),
  KILN_TOKEN_FILE: z.string().optional().describe('a file that contains `KILN_TOKEN`'),
  KILN_JOIN_TOKEN: z.string().optional().describe('lets workers join; must differ from `KILN_TOKEN`'),
  KILN_JOIN_TOKEN_FILE: z.string().optional().describe('a file that contains `KILN_JOIN_TOKEN`'),
  KILN_WORKER_REDIS_URL: z
    .string()
    .optional()
    .describe('where workers that join find Redis; without it `KILN_REDIS_URL`'),
  KILN_BLOB_DIR: z
    .string('a directory for contexts, logs and artifacts, shared by all API processes')
    .describe(
      'directory of contexts, ended logs, documents of ended builds and artifacts; the same for all API processes',
    ),
  KILN_LIVE_LOG_BYTES: wholeNumber(LEAST_LIVE_LOG_BYTES, API_DEFAULTS.liveLogBytes).describe(
    'how much of one live log is in Redis; the rest of it is in the blob store while it grows',
  ),
  KILN_LIVE_LOGS_BYTES: wholeNumber(0, 0).describe(
    'how much of all live logs is in Redis; 0: a quarter of Redis’ memory, at most 256 MiB ([redis.md](redis.md#sizing))',
  ),
  KILN_MAX_CONTEXT_BYTES: wholeNumber(1, API_DEFAULTS.maxContextBytes).describe('the largest context, as uploaded'),
  KILN_LOG_RETENTION_DAYS: wholeNumber(1, API_DEFAULTS.logRetentionMs / DAY_MS).describe(
    'how long logs are kept without use',
  ),
  KILN_ARTIFACT_RETENTION_DAYS: wholeNumber(1, API_DEFAULTS.artifactRetentionMs / DAY_MS).describe(
    'how long artifacts are kept without use',
  ),
  KILN_BUILD_ARCHIVE_MINUTES: wholeNumber(0, API_DEFAULTS.buildArchiveMs / MINUTE_MS).describe(
    'how long an ended build stays whole in Redis before its record moves to the blob store',
  ),
  KILN_CONTEXT_RETENTION_HOURS: wholeNumber(1, API_DEFAULTS.contextRetentionMs / HOUR_MS).describe(
    'how long uploaded contexts are kept without use',
  ),
};
