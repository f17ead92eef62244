import { randomUUID } from 'node:crypto';
import { mkdir, readFile, statfs, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { HostBuilders } from '@kiln/buildkit';
import { artifactKey, contextKey, type HostDisk } from '@kiln/contracts';
import { type Logger, OutgoingGuard, Pulse, parseSecretKeys, type Shutdown, serveHealth } from '@kiln/runtime';
import { FsBlobStore, HostNameTaken, MeteredBlobs, openState, type State, storeArtifact } from '@kiln/state';
import { ApiBlobs } from './api-blobs.ts';
import { joinPool } from './join.ts';
import type { PoolAccess, WorkerSettings } from './settings.ts';
import { idleSettings, trustSettings } from './trust-settings.ts';
import { type RunningWorker, startWorker, type WorkerDeps } from './worker.ts';

export interface RunningHost {
  readonly worker: RunningWorker;
  readonly builders: HostBuilders['info'];
}

/** While Redis is away nothing of it ends in order. */
const STATE_CLOSE_LIMIT_MS = 3_000;
/** Removing a container: the engine has a minute for that. */
const BUILDER_CLOSE_LIMIT_MS = 75_000;
/** From the end of the drain's time until all builds are stopped and handed back. */
const HAND_BACK_LIMIT_MS = 30_000;

type BlobAccess = Pick<WorkerDeps, 'openContext' | 'storeArtifact'>;

/**
 * Composes a whole worker out of its settings: pool, builder, worker. What was begun is in `shutdown`, also when this throws.
 * @throws JoinFailed @throws HostNameTaken and what the builder throws
 */
export async function runHost(settings: WorkerSettings, log: Logger, shutdown: Shutdown): Promise<RunningHost> {
  const { KILN_HOST_NAME: hostName } = settings;
  // A host without a report for so long is no longer in the pool.
  const pulse = new Pulse(settings.KILN_LEASE_TTL_MS);
  if (settings.KILN_HEALTH_PORT > 0) {
    const health = await serveHealth(settings.KILN_HEALTH_PORT, pulse);
    shutdown.add('health', () => health[Symbol.asyncDispose]());
  }
  const dataDir = resolve(settings.KILN_DATA_DIR);
  await mkdir(dataDir, { recursive: true, mode: 0o700 });
  const machine = await machineId(dataDir);
  const { redisUrl, namespace, secretKeys, blobs, minReplicas = 0 } = await enter(settings.access, hostName);
  const state = await openState({
    redisUrl,
    namespace,
    minReplicas: Math.max(minReplicas, settings.KILN_REDIS_MIN_REPLICAS),
    secretKey: secretKeys,
    onError: (error) => log.warn({ err: error }, 'redis connection error'),
  });
  shutdown.add('state', () => state[Symbol.asyncDispose](), STATE_CLOSE_LIMIT_MS);
  // Told before a builder is brought up for nothing; joining finds it out for certain.
  const holder = await state.hosts.get(hostName);
  if (holder?.alive && holder.machine !== machine) throw new HostNameTaken(hostName);
  // Before the builders end what an older process left running: who takes its epoch after that may have begun something by then.
  const epoch = await state.hosts.nextEpoch();
  const builders = await HostBuilders.start({
    hostName,
    instance: machine.slice(0, 8),
    scratchDir: join(dataDir, 'scratch'),
    driver: settings.KILN_DRIVER,
    toolImage: settings.KILN_TOOL_IMAGE,
    buildkitImage: settings.KILN_BUILDKIT_IMAGE,
    ...(settings.KILN_DOCKER_SOCKET !== undefined && { dockerSocket: settings.KILN_DOCKER_SOCKET }),
    ...(settings.KILN_DOCKER_CONFIG !== undefined && { dockerConfigDir: settings.KILN_DOCKER_CONFIG }),
    ...trustSettings(settings),
    log: log.child({ part: 'builder' }),
  });
  shutdown.add('builder', () => builders.close(), BUILDER_CLOSE_LIMIT_MS);
  const outgoing = new OutgoingGuard(settings.KILN_ALLOWED_HOSTS);
  shutdown.add('outgoing', () => outgoing[Symbol.asyncDispose]());
  const worker = await startWorker(
    {
      hostName,
      slots: settings.KILN_SLOTS,
      labels: settings.KILN_LABELS,
      exitWhenDrained: settings.KILN_EXIT_WHEN_DRAINED,
      leaseTtlMs: settings.KILN_LEASE_TTL_MS,
      syncEveryMs: settings.KILN_SYNC_EVERY_MS,
      fenceMarginMs: settings.KILN_FENCE_MARGIN_MS,
      inventoryEveryMs: settings.KILN_INVENTORY_EVERY_MS,
      ledgerFile: join(dataDir, 'layers.json'),
      ...idleSettings(settings),
    },
    {
      ...state,
      ...blobs(state),
      executors: builders,
      identity: { machine, incarnation: randomUUID(), epoch },
      outgoing,
      disk: () => diskOf(dataDir),
      onReport: () => pulse.beat(),
      log,
    },
  );
  const drainMs = settings.KILN_DRAIN_SECONDS * 1000;
  shutdown.add('worker', () => worker.drain(drainMs), drainMs + HAND_BACK_LIMIT_MS);
  return { worker, builders: builders.info };
}

interface Entrance {
  readonly redisUrl: string;
  readonly namespace: string;
  readonly secretKeys: readonly Buffer[];
  readonly blobs: (state: State) => BlobAccess;
  /** As the API has it. */
  readonly minReplicas?: number | undefined;
}

async function enter(access: PoolAccess, hostName: string): Promise<Entrance> {
  if (access.type === 'join') {
    const { url, token, redisUrl } = access;
    const grant = await joinPool({ url, token, hostName, redisUrl });
    return {
      ...grant,
      secretKeys: parseSecretKeys(grant.secretKey, 'secretKey of the API’s answer'),
      blobs: () => throughApi(url, token),
    };
  }
  const { blobs } = access;
  return {
    ...access,
    blobs: (state) =>
      'dir' in blobs ? shared(blobs.dir, blobs.reserveBytes, state) : throughApi(blobs.url, blobs.token),
  };
}

function throughApi(url: string, token: string): BlobAccess {
  const remote = new ApiBlobs(url, token);
  return {
    openContext: (digest, signal) => remote.openContext(digest, signal),
    storeArtifact: (ref, content) => remote.storeArtifact(ref, content),
  };
}

function shared(dir: string, reserveBytes: number, { builds, storage }: Pick<State, 'builds' | 'storage'>): BlobAccess {
  const store = new FsBlobStore(resolve(dir));
  const metered = new MeteredBlobs(store, {
    ledger: storage,
    teamOf: async (id) => (await builds.get(id))?.record.team,
    reserveBytes,
    now: Date.now,
  });
  return {
    openContext: (digest) => store.open(contextKey(digest)),
    storeArtifact: ({ buildId, attempt }, content, record) =>
      storeArtifact(metered, artifactKey(buildId, attempt), content, record),
  };
}

/** Room on the file system that holds `dir`; free: what this user may still take. */
export async function diskOf(dir: string): Promise<HostDisk> {
  const { blocks, bavail, bsize } = await statfs(dir);
  return { totalBytes: blocks * bsize, freeBytes: bavail * bsize };
}

/** The machine's identity in the pool; survives restarts, so that a new worker may take its predecessor's place. */
async function machineId(dataDir: string): Promise<string> {
  const path = join(dataDir, 'machine-id');
  await writeFile(path, `${randomUUID()}\n`, { flag: 'wx', mode: 0o600 }).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error;
  });
  return (await readFile(path, 'utf8')).trim();
}
