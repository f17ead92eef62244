import { randomUUID } from 'node:crypto';
import { mkdir, readFile, statfs, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { closeStarting, HostBuilders } from '@kiln/buildkit';
import type { HostDisk } from '@kiln/contracts';
import { countedState, startMetrics, startTraces } from '@kiln/metrics';
import { type Logger, OutgoingGuard, Pulse, type Shutdown, serveHealth } from '@kiln/runtime';
import { HostNameTaken, openState } from '@kiln/state';
import { GitMirrors } from './attempt/git-mirrors.ts';
import { enterPool } from './join/enter-pool.ts';
import { cacheLimits } from './settings/budget-settings.ts';
import { mirrorSettings } from './settings/mirror-settings.ts';
import { networkSettings } from './settings/network-env.ts';
import { networkReport, warnOfAuthorities } from './settings/network-report.ts';
import { reportSettings } from './settings/report-settings.ts';
import type { WorkerSettings } from './settings/settings.ts';
import { healingSettings, idleSettings, trustSettings } from './settings/trust-settings.ts';
import { type RunningWorker, startWorker } from './worker.ts';

export interface RunningHost {
  readonly worker: RunningWorker;
  readonly builders: HostBuilders['info'];
}

/** Without Redis its connections can't be closed in order. */
const STATE_CLOSE_LIMIT_MS = 3_000;
/** Removing a container may take the engine up to a minute. */
const BUILDER_CLOSE_LIMIT_MS = 75_000;
/** From the drain's deadline until all builds are stopped and handed back. */
const HAND_BACK_LIMIT_MS = 30_000;

/**
 * Starts a whole worker from its settings: access to the pool, builders, worker. Everything that was started is in `shutdown`, even if this throws.
 * @throws JoinFailed @throws HostNameTaken @throws as `HostBuilders.start`
 */
export async function runHost(settings: WorkerSettings, log: Logger, shutdown: Shutdown): Promise<RunningHost> {
  const { KILN_HOST_NAME: hostName } = settings;
  // The pool drops a host that hasn't reported for as long as its lease.
  const pulse = new Pulse(settings.KILN_LEASE_TTL_MS);
  if (settings.KILN_HEALTH_PORT > 0) {
    const health = await serveHealth(settings.KILN_HEALTH_PORT, pulse);
    shutdown.add('health', () => health[Symbol.asyncDispose]());
  }
  const dataDir = resolve(settings.KILN_DATA_DIR);
  await mkdir(dataDir, { recursive: true, mode: 0o700 });
  const machine = await machineId(dataDir);
  const { redisUrl, namespace, secretKeys, blobs, minReplicas = 0 } = await enterPool(settings.access, hostName);
  const metrics = await startMetrics(['worker'], settings.KILN_METRICS_LISTEN, { log, shutdown });
  const traces = await startTraces(['worker'], settings, { log, shutdown });
  const state = await openState({
    redisUrl,
    namespace,
    minReplicas: Math.max(minReplicas, settings.KILN_REDIS_MIN_REPLICAS),
    secretKey: secretKeys,
    ...countedState(metrics, log, traces),
  });
  shutdown.add('state', () => state[Symbol.asyncDispose](), STATE_CLOSE_LIMIT_MS);
  // Fail early, before builders are started for nothing; joining checks this reliably.
  const holder = await state.hosts.get(hostName);
  if (holder?.alive && holder.machine !== machine) throw new HostNameTaken(hostName);
  // The epoch is taken before the builders stop what an older process left running: a process with a later epoch may have started builds since.
  const epoch = await state.hosts.nextEpoch();
  const network = networkSettings(settings);
  const reported = networkReport(settings);
  if (reported) log.info({ network: reported }, 'network settings');
  warnOfAuthorities(reported, log, Date.now());
  const starting = HostBuilders.start({
    hostName,
    instance: machine.slice(0, 8),
    scratchDir: join(dataDir, 'scratch'),
    driver: settings.KILN_DRIVER,
    toolImage: settings.KILN_TOOL_IMAGE,
    buildkitImage: settings.KILN_BUILDKIT_IMAGE,
    ...(settings.KILN_DOCKER_SOCKET !== undefined && { dockerSocket: settings.KILN_DOCKER_SOCKET }),
    ...(settings.KILN_DOCKER_CONFIG !== undefined && { dockerConfigDir: settings.KILN_DOCKER_CONFIG }),
    pushRetries: { times: settings.KILN_PUSH_RETRIES },
    ...trustSettings(settings),
    ...(network && { settings: network }),
    log: log.child({ part: 'builder' }),
  });
  shutdown.add('builder', () => closeStarting(starting), BUILDER_CLOSE_LIMIT_MS);
  const builders = await starting;
  shutdown.throwIfRunning();
  const outgoing = new OutgoingGuard(settings.KILN_ALLOWED_HOSTS);
  shutdown.add('outgoing', () => outgoing[Symbol.asyncDispose]());
  const mirrors = new GitMirrors(await mirrorSettings(settings, dataDir), {
    guard: outgoing,
    log: log.child({ part: 'git' }),
    now: Date.now,
  });
  const worker = await startWorker(
    {
      hostName,
      slots: settings.KILN_SLOTS,
      labels: settings.KILN_LABELS,
      exitWhenDrained: settings.KILN_EXIT_WHEN_DRAINED,
      ...reportSettings(settings),
      ...(reported && { network: reported }),
      ledgerFile: join(dataDir, 'layers.json'),
      ...idleSettings(settings),
      ...cacheLimits(settings),
      ...healingSettings(settings),
    },
    {
      ...state,
      ...blobs(state),
      executors: builders,
      identity: { machine, incarnation: randomUUID(), epoch },
      outgoing,
      mirrors,
      disk: () => diskOf(dataDir, builders, mirrors),
      onReport: () => pulse.beat(),
      log,
      ...(metrics && { metrics }),
      ...(traces && { traces }),
    },
  );
  const drainMs = settings.KILN_DRAIN_SECONDS * 1000;
  shutdown.add('worker', () => worker.drain(drainMs), drainMs + HAND_BACK_LIMIT_MS);
  return { worker, builders: builders.info };
}

/** Measures the file system of `dir`, and what working trees and git mirrors take of it; `freeBytes` is what this user may still use. */
export async function diskOf(
  dir: string,
  { trees }: Pick<HostBuilders, 'trees'>,
  mirrors: Pick<GitMirrors, 'usedBytes' | 'budgetBytes'>,
): Promise<HostDisk> {
  const { blocks, bavail, bsize } = await statfs(dir);
  return {
    totalBytes: blocks * bsize,
    freeBytes: bavail * bsize,
    treeBytes: trees.usedBytes,
    treeBudgetBytes: trees.budgetBytes,
    mirrorBytes: mirrors.usedBytes,
    mirrorBudgetBytes: mirrors.budgetBytes,
  };
}

/** Reads or creates the machine's identity in the pool. It survives restarts, so that a new worker may replace its predecessor. */
async function machineId(dataDir: string): Promise<string> {
  const path = join(dataDir, 'machine-id');
  await writeFile(path, `${randomUUID()}\n`, { flag: 'wx', mode: 0o600 }).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error;
  });
  return (await readFile(path, 'utf8')).trim();
}
