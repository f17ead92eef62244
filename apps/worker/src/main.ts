import { randomUUID } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join, resolve } from 'node:path';
import { Builder } from '@kiln/buildkit';
import { artifactKey, contextKey, hostName } from '@kiln/contracts';
import {
  commonEnv,
  Pulse,
  readEnv,
  runApp,
  secretKey,
  serveHealth,
  settingsOrExit,
  valueOrFile,
  wholeNumber,
} from '@kiln/runtime';
import { FsBlobStore, openState } from '@kiln/state';
import { z } from 'zod';
import { ApiBlobs } from './api-blobs.ts';
import { DEFAULT_LEASE, startWorker, type WorkerDeps } from './worker.ts';

const schema = z
  .object({
    ...commonEnv,
    KILN_HOST_NAME: hostName.default(hostname().toLowerCase()),
    KILN_SLOTS: wholeNumber(1, 2),
    KILN_DATA_DIR: z.string('a directory for the worker’s own files'),
    KILN_DRIVER: z.enum(['auto', 'docker-container', 'docker']).default('auto'),
    KILN_TOOL_IMAGE: z.string().default('docker:cli'),
    KILN_BUILDKIT_IMAGE: z.string().default('moby/buildkit:buildx-stable-1'),
    KILN_DOCKER_SOCKET: z.string().optional(),
    KILN_DOCKER_CONFIG: z.string().optional(),
    KILN_CACHE_BUDGET_BYTES: wholeNumber(0, 0),
    KILN_BLOB_DIR: z.string().optional(),
    KILN_API_URL: z.url({ protocol: /^https?$/, error: 'an http:// or https:// URL' }).optional(),
    KILN_TOKEN: z.string().optional(),
    KILN_TOKEN_FILE: z.string().optional(),
    KILN_LEASE_TTL_MS: wholeNumber(2_000, DEFAULT_LEASE.leaseTtlMs),
    KILN_SYNC_EVERY_MS: wholeNumber(100, DEFAULT_LEASE.syncEveryMs),
    KILN_FENCE_MARGIN_MS: wholeNumber(500, DEFAULT_LEASE.fenceMarginMs),
    KILN_DRAIN_SECONDS: wholeNumber(0, 300),
    KILN_HEALTH_PORT: wholeNumber(0, 0),
  })
  .superRefine((env, ctx) => {
    if (env.KILN_FENCE_MARGIN_MS + env.KILN_SYNC_EVERY_MS >= env.KILN_LEASE_TTL_MS) {
      const message = 'KILN_SYNC_EVERY_MS and KILN_FENCE_MARGIN_MS together to be below KILN_LEASE_TTL_MS';
      ctx.addIssue({ code: 'custom', path: ['KILN_LEASE_TTL_MS'], message, input: env.KILN_LEASE_TTL_MS });
    }
    if ((env.KILN_BLOB_DIR === undefined) === (env.KILN_API_URL === undefined)) {
      const message = 'either KILN_BLOB_DIR (the API’s own, shared) or KILN_API_URL to be set';
      ctx.addIssue({ code: 'custom', path: ['KILN_API_URL'], message, input: env.KILN_API_URL });
    }
  });

type Settings = z.output<typeof schema>;

const settings = settingsOrExit(() => {
  const env = readEnv(schema, process.env);
  return { ...env, secretKey: secretKey(env), blobs: blobAccess(env) };
});

await runApp('worker', settings.KILN_LOG_LEVEL, async ({ log, shutdown }) => {
  // A host without a report for so long is no longer in the pool.
  const pulse = new Pulse(settings.KILN_LEASE_TTL_MS);
  if (settings.KILN_HEALTH_PORT > 0) {
    const health = await serveHealth(settings.KILN_HEALTH_PORT, pulse);
    shutdown.add('health', () => health[Symbol.asyncDispose]());
  }
  const dataDir = resolve(settings.KILN_DATA_DIR);
  await mkdir(dataDir, { recursive: true, mode: 0o700 });
  const machine = await machineId(dataDir);
  const state = await openState({
    redisUrl: settings.KILN_REDIS_URL,
    namespace: settings.KILN_NAMESPACE,
    secretKey: settings.secretKey,
    onError: (error) => log.warn({ err: error }, 'redis connection error'),
  });
  shutdown.add('state', () => state[Symbol.asyncDispose]());
  const builder = await Builder.start({
    hostName: settings.KILN_HOST_NAME,
    instance: machine.slice(0, 8),
    scratchDir: join(dataDir, 'scratch'),
    driver: settings.KILN_DRIVER,
    toolImage: settings.KILN_TOOL_IMAGE,
    buildkitImage: settings.KILN_BUILDKIT_IMAGE,
    ...(settings.KILN_DOCKER_SOCKET !== undefined && { dockerSocket: settings.KILN_DOCKER_SOCKET }),
    ...(settings.KILN_DOCKER_CONFIG !== undefined && { dockerConfigDir: settings.KILN_DOCKER_CONFIG }),
    ...(settings.KILN_CACHE_BUDGET_BYTES > 0 && { cacheBudgetBytes: settings.KILN_CACHE_BUDGET_BYTES }),
    log: log.child({ part: 'builder' }),
  });
  shutdown.add('builder', () => builder.close());
  const worker = await startWorker(
    {
      hostName: settings.KILN_HOST_NAME,
      slots: settings.KILN_SLOTS,
      leaseTtlMs: settings.KILN_LEASE_TTL_MS,
      syncEveryMs: settings.KILN_SYNC_EVERY_MS,
      fenceMarginMs: settings.KILN_FENCE_MARGIN_MS,
    },
    {
      ...state,
      ...settings.blobs,
      executor: builder,
      identity: { machine, incarnation: randomUUID() },
      log,
      onReport: () => pulse.beat(),
    },
  );
  shutdown.add('worker', () => worker.drain(settings.KILN_DRAIN_SECONDS * 1000));
  return { failed: worker.failed };
});

function blobAccess(env: Settings): Pick<WorkerDeps, 'openContext' | 'storeArtifact'> {
  if (env.KILN_API_URL !== undefined) {
    const remote = new ApiBlobs(env.KILN_API_URL, valueOrFile('KILN_TOKEN', env.KILN_TOKEN, env.KILN_TOKEN_FILE));
    return {
      openContext: (digest) => remote.openContext(digest),
      storeArtifact: (ref, content) => remote.storeArtifact(ref, content),
    };
  }
  const shared = new FsBlobStore(resolve(env.KILN_BLOB_DIR ?? ''));
  return {
    openContext: (digest) => shared.open(contextKey(digest)),
    storeArtifact: (ref, content) => shared.put(artifactKey(ref.buildId, ref.attempt), content),
  };
}

/** The machine's identity in the pool; survives restarts, so that a new worker may take its predecessor's place. */
async function machineId(dataDir: string): Promise<string> {
  const path = join(dataDir, 'machine-id');
  await writeFile(path, `${randomUUID()}\n`, { flag: 'wx', mode: 0o600 }).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error;
  });
  return (await readFile(path, 'utf8')).trim();
}
