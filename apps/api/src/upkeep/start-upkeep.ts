import { cleanRegistries } from '../caches/registry/clean-registries.ts';
import type { ApiConfig } from '../config.ts';
import { BuildArchiver } from '../history/archive-builds.ts';
import { pruneDocuments } from '../history/prune-documents.ts';
import type { ArchivedLogs } from '../logs/archived-logs.ts';
import { LogArchiver } from '../logs/log-archiver.ts';
import { LogMover } from '../logs/log-mover.ts';
import { prunePieces } from '../logs/prune-pieces.ts';
import type { MeteredDeps } from '../ports.ts';
import { resealAll } from '../secrets/reseal.ts';
import { pruneBlobs } from './prune-blobs.ts';
import { recountStorage } from './recount-storage.ts';
import { repeat } from './repeat.ts';
import { sweepTrees } from './sweep-trees.ts';
import { MemoryWatch } from './watch-memory.ts';

/** How soon the archiver looks again at a log on which another process has a claim, ms. */
const CLAIMED_LOG_MS = 500;

/** Snapshots of caches that are kept of a repo and trust class. */
const SNAPSHOTS_OF_REPO = 3;
/** How long a snapshot is kept without being used, ms. */
const SNAPSHOT_UNUSED_MS = 30 * 24 * 3_600_000;

/** How long a registry that deletes nothing isn't asked again by the schedule. */
const ASK_AGAIN_MS = 7 * 24 * 3_600_000;

/** How often trees are swept within the time for which they are kept: each sweep reads all directories that are in use. */
const SWEEPS = 12;

/**
 * Starts the background work of an API process: archiving logs and builds, deleting what is no longer kept, watching Redis' memory,
 * recounting storage, sweeping trees, resealing secrets, deleting unused caches in registries. Disposing of the result stops it.
 */
export function startUpkeep(config: ApiConfig, deps: MeteredDeps, archive: ArchivedLogs): AsyncDisposable {
  const { history, logs, blobs, events, storage, log, metrics, now = Date.now } = deps;
  const stack = new AsyncDisposableStack();
  const archiver = new LogArchiver(logs, blobs, log, now, metrics);
  // A log that ends while its last piece is being moved is released in a moment.
  const archiveEvery = (done?: { claimed: number }) =>
    done && done.claimed > 0 ? CLAIMED_LOG_MS : config.archiveIntervalMs;
  const archiving = stack.use(repeat('archive', archiveEvery, (signal) => archiver.round(signal), log));
  const memory = stack.use(new MemoryWatch(config, deps.memory, log, metrics));
  const mover = new LogMover({ logs, blobs, log, metrics, now });
  const move = (signal: AbortSignal) => mover.round(memory.pieceBytes, signal);
  stack.use(repeat('log pieces', config.logMoveIntervalMs, move, log));
  stack.use(
    repeat('prune blobs', config.pruneIntervalMs, (signal) => pruneBlobs(blobs, config, now(), log, signal), log),
  );
  const pruneLogs = async (signal: AbortSignal) => {
    await logs.recount();
    await prunePieces({ logs, blobs, archive, log }, now(), signal);
  };
  stack.use(repeat('log upkeep', config.pruneIntervalMs, pruneLogs, log));
  const buildArchiver = new BuildArchiver(history, blobs, log);
  const archiveBuilds = (signal: AbortSignal) => buildArchiver.round(now() - config.buildArchiveMs, signal);
  stack.use(repeat('build archive', config.historyIntervalMs, archiveBuilds, log));
  const pruneHistory = (signal: AbortSignal) => pruneDocuments(history, blobs, now(), log, signal);
  stack.use(repeat('prune documents', config.pruneIntervalMs, pruneHistory, log));
  const recount = async (signal: AbortSignal) => {
    // Only the first process to claim it recounts.
    if (!(await storage.claimRecount(config.pruneIntervalMs / 2))) return;
    await recountStorage(deps, now(), log, signal);
  };
  stack.use(repeat('recount of storage', config.pruneIntervalMs, recount, log));
  const sweep = async (signal: AbortSignal) => {
    if (!(await storage.claimSweep(Math.max(config.pruneIntervalMs / 2, config.contextRetentionMs / SWEEPS)))) return;
    const unusedSince = now() - SNAPSHOT_UNUSED_MS;
    const pruned = await deps.snapshots.prune({ unusedSince, keep: SNAPSHOTS_OF_REPO });
    if (pruned > 0) log.info({ snapshots: pruned }, 'old snapshots of caches deleted');
    await sweepTrees(deps, now(), log, signal);
  };
  stack.use(repeat('sweep of trees', config.pruneIntervalMs, sweep, log));
  const clean = async (signal: AbortSignal) => {
    // Only the first process to claim it cleans.
    if (!(await deps.cacheReferences.claimCleaning(config.cacheCleanMs / 2))) return;
    const { references } = await cleanRegistries(
      { references: deps.cacheReferences, secrets: deps.buildSecrets, fetch: deps.outgoing.fetch },
      { unusedSince: now() - config.cacheReferenceMs, now: now(), refusedForMs: ASK_AGAIN_MS },
      signal,
    );
    for (const { team, ref, result, detail } of references)
      log.info({ team, ref, result, detail }, 'unused caches in a registry');
  };
  if (config.cacheCleanMs > 0) stack.use(repeat('clean registries', config.cacheCleanMs, clean, log));
  const trim = () => deps.audit.trim(now() - config.auditRetentionMs);
  const reseal = (signal: AbortSignal) => resealAll(deps.resealer, log, signal);
  stack.use(repeat('reseal', config.resealIntervalMs, reseal, log));
  stack.use(repeat('audit retention', config.pruneIntervalMs, trim, log));
  stack.use(
    events.subscribe((event) => {
      if (event.type === 'build' && event.state !== 'running' && event.state !== 'assigned') archiving.now();
    }),
  );
  return stack;
}
