import { commonEnv, wholeNumber } from '@kiln/runtime';
import { z } from 'zod';
import { accessEnv } from './access/settings.ts';
import { API_DEFAULTS, type ApiConfig } from './config.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** A batch has up to 64 KiB, or one record: with room for fewer batches every build would stall. */
const LEAST_LIVE_LOG_BYTES = 256 * 1024;

/** Environment variables for logs, contexts and artifacts, the same for `kiln up` and a separate API process. */
export const storageEnv = {
  KILN_LIVE_LOG_BYTES: wholeNumber(LEAST_LIVE_LOG_BYTES, API_DEFAULTS.liveLogBytes),
  KILN_LIVE_LOGS_BYTES: wholeNumber(0, 0),
  KILN_MAX_CONTEXT_BYTES: wholeNumber(1, API_DEFAULTS.maxContextBytes),
  KILN_LOG_RETENTION_DAYS: wholeNumber(1, API_DEFAULTS.logRetentionMs / DAY_MS),
  KILN_ARTIFACT_RETENTION_DAYS: wholeNumber(1, API_DEFAULTS.artifactRetentionMs / DAY_MS),
  KILN_BUILD_ARCHIVE_MINUTES: wholeNumber(0, API_DEFAULTS.buildArchiveMs / MINUTE_MS),
  KILN_CONTEXT_RETENTION_HOURS: wholeNumber(1, API_DEFAULTS.contextRetentionMs / HOUR_MS),
};

type StorageConfig = Pick<
  ApiConfig,
  | 'liveLogBytes'
  | 'liveLogsBytes'
  | 'maxContextBytes'
  | 'logRetentionMs'
  | 'artifactRetentionMs'
  | 'buildArchiveMs'
  | 'contextRetentionMs'
>;

/** Turns the variables into settings. */
export function storageConfig(env: z.output<z.ZodObject<typeof storageEnv>>): StorageConfig {
  return {
    liveLogBytes: env.KILN_LIVE_LOG_BYTES,
    ...(env.KILN_LIVE_LOGS_BYTES > 0 && { liveLogsBytes: env.KILN_LIVE_LOGS_BYTES }),
    maxContextBytes: env.KILN_MAX_CONTEXT_BYTES,
    logRetentionMs: env.KILN_LOG_RETENTION_DAYS * DAY_MS,
    artifactRetentionMs: env.KILN_ARTIFACT_RETENTION_DAYS * DAY_MS,
    buildArchiveMs: env.KILN_BUILD_ARCHIVE_MINUTES * MINUTE_MS,
    contextRetentionMs: env.KILN_CONTEXT_RETENTION_HOURS * HOUR_MS,
  };
}

/** All environment variables of an API process. */
export const apiEnv = {
  ...commonEnv,
  KILN_HOST: z.string().default(API_DEFAULTS.host),
  KILN_PORT: wholeNumber(0, API_DEFAULTS.port),
  ...accessEnv,
  KILN_TOKEN: z.string().optional(),
  KILN_TOKEN_FILE: z.string().optional(),
  KILN_JOIN_TOKEN: z.string().optional(),
  KILN_JOIN_TOKEN_FILE: z.string().optional(),
  KILN_WORKER_REDIS_URL: z.string().optional(),
  KILN_BLOB_DIR: z.string('a directory for contexts, logs and artifacts, shared by all API processes'),
  ...storageEnv,
};
