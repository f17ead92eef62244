import { type LogRecord, onAllTargets } from '@kiln/contracts';
import { BuildkitControl } from '../control/buildkit-control.ts';
import { InventoryReader } from '../control/inventory.ts';
import { messageOf } from '../engine/message-of.ts';
import type { RunOutcome } from '../outcome/outcome.ts';
import { runBuild } from '../run/run-build.ts';
import type { RunHost } from '../run/run-host.ts';
import type { RunRequest } from '../run/run-request.ts';
import { CacheExports, exportOnly, noteIn } from './cache-exports.ts';
import { CacheForms } from './cache-forms.ts';
import type { FreshBuilders } from './fresh-builders.ts';
import { S3Caches } from './s3-caches.ts';

export interface RunModesDeps {
  readonly host: RunHost;
  /** Undefined with the driver `docker`, which has only one BuildKit. */
  readonly fresh: FreshBuilders | undefined;
  readonly scratchDir: string;
  /** Called before records are removed from the long-lived builder; doesn't throw. */
  beforePrune(control: BuildkitControl): Promise<void>;
}

/** Repos of which a failed export is remembered. */
const MAX_UNEXPORTED = 100;

/** Runs builds by their cache mode: on the long-lived builder, or on one that is made for the attempt. */
export class RunModes {
  readonly #deps: RunModesDeps;
  readonly #s3 = new S3Caches();
  readonly #exports: CacheExports;
  /** Repos that the long-lived builder has built since it was started: what is warm there as long as no inventory says it. */
  readonly #built = new Set<string>();
  /** Builds whose caches are to be exported, by repo; the first one is next. */
  readonly #waiting = new Map<string, RunRequest>();
  #exporting: Promise<void> | undefined;
  /** Why the caches of a repo's last build were not exported, until its next build tells. */
  readonly #unexported = new Map<string, string>();
  readonly #closing = new AbortController();

  constructor(deps: RunModesDeps) {
    this.#deps = deps;
    this.#exports = new CacheExports(new CacheForms(deps.scratchDir, deps.host.log), this.#s3);
  }

  /** Whether a build runs on a builder that is made for it. */
  makesBuilder({ spec }: RunRequest): boolean {
    return this.#deps.fresh !== undefined && (spec.cache?.mode ?? 'warm') !== 'warm';
  }

  /** Lets each repo's next build import its caches, because the builder may have lost its own. */
  cachesRemoved(): void {
    this.#built.clear();
  }

  /** Runs a build. @throws EngineError @throws Error */
  async run(request: RunRequest, signal: AbortSignal): Promise<RunOutcome> {
    const refusal = this.#deps.host.refusedCaches(request);
    if (refusal) return { end: 'failed', failure: refusal };
    await this.#tellUnexported(request);
    const { mode = 'warm' } = request.spec.cache ?? {};
    if (mode === 'warm') return await this.#runWarm(request, signal);
    const { host, fresh } = this.#deps;
    if (!fresh) return mode === 'fresh' ? await this.#runApart(request, signal) : notHere(mode);
    const startedAt = host.now();
    await using builder = await fresh.make(`${request.buildId}-${request.attempt}`);
    await noteIn(host, request, `builder of its own started in ${host.now() - startedAt} ms, for cache mode ${mode}`);
    const { name, buildxConfig, connectBuildkit } = builder;
    const own = { ...host, builder: name, connectBuildkit, stall: undefined, paths: { ...host.paths, buildxConfig } };
    // What is wrong with such a builder ends with it.
    const { fault: _, ...outcome } = await this.#exports.run(own, request, signal);
    return outcome;
  }

  async #runWarm(request: RunRequest, signal: AbortSignal): Promise<RunOutcome> {
    const { host } = this.#deps;
    const { cachePlaces: caches } = request;
    if (!caches || caches.from.length + caches.to.length === 0) return await runBuild(host, request, signal);
    const isWarm = request.isWarm ?? this.#built.has(request.repo);
    const from = isWarm ? [] : caches.from;
    const outcome = await this.#s3.run(host, { ...request, cachePlaces: { from, to: [] } }, signal);
    if (outcome.end !== 'succeeded') return outcome;
    this.#built.add(request.repo);
    // After a build without caches, the steps would run again.
    if (caches.to.length > 0 && !request.spec.noCache) this.#exportLater(request);
    return outcome;
  }

  /** Exports a build's caches when its result is out. Of several builds of a repo that wait for that, only the newest is exported. */
  #exportLater(request: RunRequest): void {
    this.#waiting.delete(request.repo);
    this.#waiting.set(request.repo, request);
    this.#exporting ??= this.#exportWaiting().finally(() => {
      this.#exporting = undefined;
    });
  }

  async #exportWaiting(): Promise<void> {
    const { host } = this.#deps;
    const { log } = host;
    const { signal } = this.#closing;
    for (const [repo, request] of this.#waiting) {
      this.#waiting.delete(repo);
      if (signal.aborted) return;
      const { buildId, attempt } = request;
      const to = request.cachePlaces?.to ?? [];
      try {
        const failures: string[] = [];
        // Not from a working tree: the repo's next build would find it taken.
        const own = { ...host, trees: undefined };
        const quiet = {
          ...request,
          sink: (record: LogRecord) => void (record.type === 'note' && failures.push(record.message)),
        };
        const outcome = await this.#exports.run(own, exportOnly(quiet, to), signal);
        const reason = outcome.failure?.message ?? failures.join('; ');
        if (outcome.end !== 'succeeded' || failures.length > 0) {
          log.warn({ buildId, attempt, repo, reason }, 'caches of a build not exported as wanted');
          if (!signal.aborted) this.#failedToExport(request, reason);
        } else log.info({ buildId, attempt, repo }, 'caches of a build exported');
      } catch (error) {
        log.warn({ err: error, buildId, attempt, repo }, 'caches of a build not exported');
        this.#failedToExport(request, messageOf(error));
      }
    }
  }

  /** The log of the build itself is complete by now. */
  #failedToExport({ repo, buildId }: RunRequest, reason: string): void {
    this.#unexported.delete(repo);
    this.#unexported.set(repo, `the caches of build ${buildId} of this repo were not exported as wanted: ${reason}`);
    const [oldest] = this.#unexported.keys();
    if (this.#unexported.size > MAX_UNEXPORTED && oldest !== undefined) this.#unexported.delete(oldest);
  }

  async #tellUnexported({ repo, sink }: RunRequest): Promise<void> {
    const message = this.#unexported.get(repo);
    if (message === undefined) return;
    this.#unexported.delete(repo);
    await sink({ t: this.#deps.host.now(), type: 'warning', message });
  }

  /** Resolves when no caches are being exported. */
  async settled(): Promise<void> {
    await this.#exporting;
  }

  /** Stops exporting caches. */
  async close(): Promise<void> {
    this.#closing.abort('fence');
    this.#waiting.clear();
    await this.#exporting;
  }

  /** Runs a build that uses nothing of the one BuildKit's caches: no layers, and cache mounts of its own, which are removed afterwards. */
  async #runApart(request: RunRequest, signal: AbortSignal): Promise<RunOutcome> {
    const { host } = this.#deps;
    const namespace = `fresh-${request.buildId}-${request.attempt}`;
    try {
      const spec = onAllTargets(request.spec, { noCache: true });
      return await runBuild(host, { ...request, spec, ownNamespace: namespace }, signal);
    } finally {
      await removeMounts(this.#deps, namespace);
    }
  }
}

function notHere(mode: string): RunOutcome {
  const message = `cache mode ${mode} needs the driver docker-container, and this host has docker`;
  return { end: 'failed', failure: { code: 'infrastructure', message } };
}

async function removeMounts({ host, beforePrune }: RunModesDeps, namespace: string): Promise<void> {
  try {
    await using control = await BuildkitControl.open(host.connectBuildkit);
    const { mounts } = new InventoryReader(false).read(await control.diskUsage(), host.now());
    const records = mounts.filter(({ id }) => id.startsWith(`${namespace}/`)).flatMap((mount) => mount.records);
    if (records.length === 0) return;
    await beforePrune(control);
    await control.prune(records);
  } catch (error) {
    host.log.warn(
      { err: error, reason: messageOf(error), namespace },
      'cache mounts of a fresh build could not be removed',
    );
  }
}
