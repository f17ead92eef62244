import { apiEnv } from '@kiln/api';
import { s3Env } from '@kiln/blobs';
import { schedulerEnv } from '@kiln/scheduler';
import { workerEnv } from '@kiln/worker';
import { describe, expect, test } from 'vitest';
import { UP_VARIABLES } from './flags.ts';
import { readPoolSettings, upEnv } from './pool-settings.ts';

/** Settings of the API, the scheduler and the worker that flags of `kiln up` set. */
const BY_FLAG = {
  KILN_HOST: '--host',
  KILN_PORT: '--port',
  KILN_HOST_NAME: '--name',
  KILN_SLOTS: '--slots',
  KILN_LABELS: '--label',
  KILN_DATA_DIR: '--data-dir',
  KILN_DRIVER: '--driver',
  KILN_DRAIN_SECONDS: '--drain-timeout',
  KILN_LOG_LEVEL: '--log-level',
};

/** Settings that don't apply to `kiln up`, with the reason. */
const NOT_APPLICABLE = {
  KILN_REDIS_URL: 'it runs a private Redis',
  KILN_REDIS_MIN_REPLICAS: 'its Redis has no replicas',
  KILN_WORKER_REDIS_URL: 'workers get the address of --listen-workers',
  KILN_NAMESPACE: 'nothing else uses its Redis',
  KILN_SECRET_KEY: 'secret.key in the data directory',
  KILN_SECRET_KEY_FILE: 'secret.key in the data directory',
  KILN_TOKEN: 'token in the data directory',
  KILN_TOKEN_FILE: 'token in the data directory',
  KILN_JOIN_TOKEN: 'join-token in the data directory',
  KILN_JOIN_TOKEN_FILE: 'join-token in the data directory',
  KILN_JOIN_URL: 'its worker is in the same process',
  KILN_API_URL: 'its worker is in the same process',
  KILN_BLOB_DIR: 'blobs in the data directory',
  ...Object.fromEntries(Object.keys(s3Env).map((name) => [name, 'blobs in the data directory'])),
  KILN_HEALTH_PORT: 'its API answers /readyz',
  KILN_EXIT_WHEN_DRAINED: 'API and scheduler keep running for other hosts',
};

describe('the settings of kiln up', () => {
  test('are all settings of the API, the scheduler and the worker, except those that are not applicable', () => {
    const all = new Set([apiEnv, schedulerEnv, workerEnv].flatMap((shape) => Object.keys(shape)));
    const accounted = [...Object.keys(upEnv), ...Object.keys(BY_FLAG), ...Object.keys(NOT_APPLICABLE)];
    expect(accounted.toSorted()).toEqual([...all].toSorted());
  });

  test('are listed in its help', () => {
    expect(UP_VARIABLES.flat().toSorted()).toEqual(Object.keys(upEnv).toSorted());
  });

  test('reach the parts of the pool', () => {
    const settings = readPoolSettings({
      ...{ KILN_LIVE_LOG_BYTES: '300000', KILN_LIVE_LOGS_BYTES: '9000000', KILN_LOG_RETENTION_DAYS: '3' },
      ...{ KILN_MAX_CONTEXT_BYTES: '7000', KILN_MAX_CONTEXT_ENTRIES: '700' },
      ...{ KILN_BUILD_RETENTION_DAYS: '5', KILN_INVENTORY_EVERY_MS: '2000', KILN_LEASE_TTL_MS: '30000' },
    });
    expect(settings).toMatchObject({
      storage: {
        liveLogBytes: 300_000,
        liveLogsBytes: 9_000_000,
        logRetentionMs: 3 * 86_400_000,
        maxContextBytes: 7_000,
        maxContextEntries: 700,
      },
      scheduling: { buildRetentionMs: 5 * 86_400_000 },
      worker: { inventoryEveryMs: 2_000, leaseTtlMs: 30_000 },
    });
  });

  test('are refused by name', () => {
    expect(() => readPoolSettings({ KILN_LIVE_LOG_BYTES: '1' })).toThrow('KILN_LIVE_LOG_BYTES');
    expect(() => readPoolSettings({ KILN_LEASE_TTL_MS: '2000' })).toThrow('KILN_LEASE_TTL_MS');
    expect(() => readPoolSettings({ KILN_MAX_CONTEXT_ENTRIES: '0' })).toThrow('a whole number of at least 1');
  });
});
