import { wholeNumber } from '@kiln/runtime';
import type { z } from 'zod';
import { API_DEFAULTS, type ApiConfig } from './config.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** A batch has up to 64 KiB, or one record: with room for fewer batches every build would stall. */
const LEAST_LIVE_LOG_BYTES = 256 * 1024;

/** Environment variables for logs, contexts and artifacts, the same for `kiln up` and a separate API process. */
export const storageEnv = {
  KILN_LIVE_LOG_BYTES: wholeNumber(LEAST_LIVE_LOG_BYTES, API_DEFAULTS.liveLogBytes).describe(
    'how much of one live log is in Redis; the rest of it is in the blob store while it grows',
  ),
  KILN_LIVE_LOGS_BYTES: wholeNumber(0, 0).describe(
    'how much of all live logs is in Redis; 0: a quarter of Redis’ memory, at most 256 MiB ([redis.md](redis.md#sizing))',
  ),
  KILN_MAX_CONTEXT_BYTES: wholeNumber(1, API_DEFAULTS.maxContextBytes).describe('the largest context, as uploaded'),
  KILN_MAX_CONTEXT_ENTRIES: wholeNumber(1, API_DEFAULTS.maxContextEntries).describe(
    'most files, directories and links in an uploaded context',
  ),
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
  KILN_CACHE_REFERENCE_DAYS: wholeNumber(1, API_DEFAULTS.cacheReferenceMs / DAY_MS).describe(
    'how long caches that builds have exported to registries are kept there without use ([caches.md](../use/caches.md#caches-in-registries))',
  ),
  KILN_CACHE_CLEAN_HOURS: wholeNumber(0, API_DEFAULTS.cacheCleanMs / HOUR_MS).describe(
    'how often unused caches in registries are deleted; 0: only by `kiln cache prune-registry`',
  ),
};

type StorageConfig = Pick<
  ApiConfig,
  | 'liveLogBytes'
  | 'liveLogsBytes'
  | 'maxContextBytes'
  | 'maxContextEntries'
  | 'logRetentionMs'
  | 'artifactRetentionMs'
  | 'buildArchiveMs'
  | 'contextRetentionMs'
  | 'cacheReferenceMs'
  | 'cacheCleanMs'
>;

/** Turns the variables into settings. */
export function storageConfig(env: z.output<z.ZodObject<typeof storageEnv>>): StorageConfig {
  return {
    liveLogBytes: env.KILN_LIVE_LOG_BYTES,
    ...(env.KILN_LIVE_LOGS_BYTES > 0 && { liveLogsBytes: env.KILN_LIVE_LOGS_BYTES }),
    maxContextBytes: env.KILN_MAX_CONTEXT_BYTES,
    maxContextEntries: env.KILN_MAX_CONTEXT_ENTRIES,
    logRetentionMs: env.KILN_LOG_RETENTION_DAYS * DAY_MS,
    artifactRetentionMs: env.KILN_ARTIFACT_RETENTION_DAYS * DAY_MS,
    buildArchiveMs: env.KILN_BUILD_ARCHIVE_MINUTES * MINUTE_MS,
    cacheReferenceMs: env.KILN_CACHE_REFERENCE_DAYS * DAY_MS,
    cacheCleanMs: env.KILN_CACHE_CLEAN_HOURS * HOUR_MS,
    contextRetentionMs: env.KILN_CONTEXT_RETENTION_HOURS * HOUR_MS,
  };
}
