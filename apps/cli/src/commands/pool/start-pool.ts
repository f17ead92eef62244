import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { API_DEFAULTS, startApi } from '@kiln/api';
import { FsBlobStore, openUsed, storedTrees } from '@kiln/blobs';
import { closeStarting, HostBuilders } from '@kiln/buildkit';
import { KilnClient } from '@kiln/client';
import { artifactKey, contextKey, traceKey } from '@kiln/contracts';
import { countedState, startMetrics, startTraces } from '@kiln/metrics';
import { formatSecretKeys, type Logger, OutgoingGuard, Shutdown } from '@kiln/runtime';
import { startScheduler } from '@kiln/scheduler';
import { Leadership, MeteredBlobs, openState, storeArtifact } from '@kiln/state';
import { diskOf, GitMirrors, type RunningWorker, StoredSnapshots, startWorker, warnOfAuthorities } from '@kiln/worker';
import { openDataDir } from './data-dir.ts';
import type { PoolSettings } from './pool-settings.ts';
import { startPrivateRedis } from './private-redis.ts';
import type { UpOptions } from './up-options.ts';

const NAMESPACE = 'kiln';

export interface RunningPool {
  readonly url: string;
  /** The page, where it logs the first browser that opens it in. */
  readonly pageUrl: string;
  readonly builders: HostBuilders['info'];
  readonly tokenFile: string;
  readonly joinTokenFile: string;
  readonly worker: RunningWorker;
  /** Drains for at most `drainTimeoutMs`, then stops everything. */
  close(): Promise<void>;
}

/**
 * Starts a complete pool in this process. If a part fails to start, those that were started before are stopped again.
 * @throws DataDirInUse @throws RedisNotStarted, and the errors of the API's port and the builders
 */
export async function startPool(options: UpOptions, settings: PoolSettings, log: Logger): Promise<RunningPool> {
  const shutdown = new Shutdown();
  const close = () => shutdown.run((step, error) => log.error({ err: error, step }, 'shutdown step failed'));
  try {
    return await compose(options, settings, log, shutdown, close);
  } catch (error) {
    await close();
    throw error;
  }
}

async function compose(
  options: UpOptions,
  settings: PoolSettings,
  log: Logger,
  shutdown: Shutdown,
  close: () => Promise<void>,
): Promise<RunningPool> {
  const data = await openDataDir(options.dataDir);
  shutdown.add('data directory', () => data[Symbol.asyncDispose]());
  const opening = startMetrics(['api', 'scheduler', 'worker'], settings.metricsListen, { log, shutdown });
  // Awaited below, or not at all if something else fails first.
  opening.catch(() => {});
  const listen = options.listenWorkers && { ...options.listenWorkers, password: data.redisPassword };
  const redis = await startPrivateRedis(data.redis, log, { listen });
  shutdown.add('redis', () => redis[Symbol.asyncDispose]());
  const metrics = await opening;
  const traces = await startTraces(['api', 'scheduler', 'worker'], settings.traces, { log, shutdown });
  const state = await openState({
    redisUrl: redis.url,
    namespace: NAMESPACE,
    secretKey: data.secretKeys,
    ...countedState(metrics, log, traces),
  });
  shutdown.add('state', () => state[Symbol.asyncDispose]());
  const counted = { ...(metrics && { metrics }), ...(traces && { traces }) };

  // Taken before the builders stop what an older process left running.
  const epoch = await state.hosts.nextEpoch();
  warnOfAuthorities(settings.worker.network, log, Date.now());
  // The builders start first: the pool is announced only when builds can run.
  const starting = HostBuilders.start({
    ...settings.builder,
    ...(options.trust && { trust: options.trust }),
    ...(options.isolation && { isolation: options.isolation }),
    hostName: options.name,
    instance: data.machine.slice(0, 8),
    scratchDir: data.scratch,
    driver: options.driver,
    log: log.child({ part: 'builder' }),
  });
  shutdown.add('builder', () => closeStarting(starting));
  const builders = await starting;
  shutdown.throwIfRunning();

  const blobs = new FsBlobStore(data.blobs);
  const { allowedHosts, ...access } = settings.access;
  const outgoing = new OutgoingGuard(allowedHosts);
  shutdown.add('outgoing', () => outgoing[Symbol.asyncDispose]());
  const api = await startApi(
    {
      ...API_DEFAULTS,
      ...access,
      ...settings.storage,
      isTracing: traces !== undefined,
      host: options.host,
      port: options.port,
      tokens: [data.token],
      join: {
        tokens: [data.joinToken],
        redisUrl: redis.workerUrl ?? redis.url,
        namespace: NAMESPACE,
        secretKey: formatSecretKeys(data.secretKeys),
      },
    },
    { ...state, ...counted, outgoing, blobs, log: log.child({ part: 'api' }) },
  );
  shutdown.add('api', () => api.close());

  const metered = new MeteredBlobs(blobs, {
    ledger: state.storage,
    teamOf: async (id) => (await state.builds.get(id))?.record.team,
    reserveBytes: access.blobReserveBytes,
    now: Date.now,
  });
  const owner = randomUUID();
  const scheduler = startScheduler(
    { ...settings.scheduling, limits: access.limits },
    {
      ...state,
      leadership: new Leadership(state.redis, state.keys, owner, settings.scheduling.leaderTtlMs),
      log: log.child({ part: 'scheduler' }),
      ...counted,
    },
  );
  shutdown.add('scheduler', () => scheduler.close());

  const mirrors = new GitMirrors(await settings.mirrors(data.path), {
    guard: outgoing,
    log: log.child({ part: 'git' }),
    now: Date.now,
  });
  const worker = await startWorker(
    {
      hostName: options.name,
      slots: options.slots,
      labels: options.labels,
      ledgerFile: `${data.path}/layers.json`,
      ...settings.worker,
    },
    {
      ...state,
      executors: builders,
      identity: { machine: data.machine, incarnation: owner, epoch },
      trees: (team) => storedTrees(blobs, team),
      snapshots: new StoredSnapshots(blobs, metered, state),
      openContext: (digest) => openUsed(blobs, contextKey(digest)),
      storeArtifact: ({ buildId, attempt }, content, record) =>
        storeArtifact(metered, artifactKey(buildId, attempt), content, record),
      storeTrace: async ({ buildId, attempt }, packed) => {
        await blobs.put(traceKey(buildId, attempt), Readable.from([packed]));
      },
      outgoing,
      mirrors,
      disk: () => diskOf(data.path, builders, mirrors),
      log: log.child({ part: 'worker' }),
      ...counted,
    },
  );
  shutdown.add('worker', () => worker.drain(options.drainTimeoutMs));
  await data.announce(api.url);
  const { code } = await new KilnClient({ url: api.url, token: data.token }).createLoginCode();
  return {
    url: api.url,
    pageUrl: `${pageUrlOf(access.publicUrl || api.url)}/#login=${code}`,
    builders: builders.info,
    tokenFile: join(data.path, 'token'),
    joinTokenFile: join(data.path, 'join-token'),
    worker,
    close,
  };
}

/** Where a browser on this machine reaches the API; it can't connect to the address that stands for all. */
function pageUrlOf(url: string): string {
  const page = new URL(url);
  if (page.hostname === '0.0.0.0') page.hostname = '127.0.0.1';
  if (page.hostname === '[::]') page.hostname = '[::1]';
  const { href } = page;
  return href.endsWith('/') ? href.slice(0, -1) : href;
}
