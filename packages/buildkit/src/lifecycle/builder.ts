import { type BuilderFault, domainText, mountOwners } from '@kiln/domain';
import type Docker from 'dockerode';
import { BuildkitControl } from '../control/buildkit-control.ts';
import { type BuilderInventory, InventoryReader } from '../control/inventory.ts';
import { stopContainer } from '../engine/containers.ts';
import { messageOf } from '../engine/message-of.ts';
import type { RunOutcome } from '../outcome/outcome.ts';
import { cacheNamespace } from '../run/buildx-arguments.ts';
import type { RunHost } from '../run/run-host.ts';
import type { RunRequest } from '../run/run-request.ts';
import { withSteps } from '../run/with-steps.ts';
import { KeptOwners } from '../snapshots/kept-owners.ts';
import { Leftovers } from '../snapshots/leftovers.ts';
import { MountOwners } from '../snapshots/mount-owners.ts';
import type { MountPlace } from '../snapshots/mount-run.ts';
import { type SavedMount, saveMount } from '../snapshots/save-mount.ts';
import { seedMount } from '../snapshots/seed-mount.ts';
import { writeDeadline } from '../tool/tool-scripts.ts';
import type { BuilderEgress } from './builder-egress.ts';
import { BuilderFaults } from './builder-faults.ts';
import { containerOf, toolContainerName } from './builder-names.ts';
import type { BuilderInfo, BuilderOptions } from './builder-options.ts';
import { claimDomain, EngineTaken } from './engine-claim.ts';
import { forgetRecords } from './forget-records.ts';
import { MemoryKills, namingMemory } from './memory-kills.ts';
import { assertProbed, probeRequest } from './probe-build.ts';
import { RunModes } from './run-modes.ts';
import { type StartedBuilder, startBuilder } from './start-builder.ts';

/** How many records one call removes: BuildKit compares each of its records with all of them. */
const PRUNE_BATCH = 1_000;

/** A long-lived builder of a host, for builds of one isolation domain. */
export class Builder {
  readonly #info: BuilderInfo;
  #domain: string | undefined;
  readonly #engine: Docker;
  readonly #options: BuilderOptions;
  readonly #host: RunHost;
  readonly #modes: RunModes;
  readonly #egress: BuilderEgress;
  readonly #running = new Set<Promise<unknown>>();
  readonly #closing = new AbortController();
  readonly #inventories: InventoryReader;
  readonly #faults: BuilderFaults;
  readonly #kills: MemoryKills;
  readonly #leftovers: Leftovers;
  readonly #owners: MountOwners;
  readonly #kept: KeptOwners;

  private constructor(options: BuilderOptions, { engine, egress, info, runs, fresh, sizesAreFloors }: StartedBuilder) {
    this.#options = options;
    this.#engine = engine;
    this.#egress = egress;
    this.#info = info;
    this.#domain = info.domain;
    this.#host = runs;
    this.#owners = new MountOwners(runs.paths.mountOwners);
    this.#kept = new KeptOwners(runs, this.#owners, this.#closing.signal);
    const beforePrune = (control: BuildkitControl) => this.#kept.keep(control);
    this.#modes = new RunModes({ host: runs, fresh, scratchDir: options.scratchDir, beforePrune });
    this.#inventories = new InventoryReader(sizesAreFloors);
    const container = info.driver === 'docker' ? undefined : containerOf(runs.builder);
    this.#faults = new BuilderFaults({ engine, container, tool: toolContainerName(options), log: options.log });
    this.#kills = new MemoryKills(engine, container);
    this.#leftovers = new Leftovers(runs.paths.snapshots, runs.connectBuildkit, beforePrune);
  }

  /**
   * Starts the tool container and the builder. Removes a tool container that a killed worker left behind, with any buildx in it.
   * @throws EngineError if the engine can't be reached, or an image can't be pulled
   * @throws Error if runs can't have users of their own: see `RunOwner.check`
   * @throws EngineNotApart if the engine's own BuildKit belongs to another class or domain
   * @throws EgressUnenforceable if the egress rules can't be enforced
   */
  static async start(options: BuilderOptions): Promise<Builder> {
    const builder = new Builder(options, await startBuilder(options));
    try {
      await builder.#leftovers.recover();
      return builder;
    } catch (error) {
      await builder.close().catch(() => undefined);
      throw error;
    }
  }

  get info(): BuilderInfo {
    return { ...this.#info, ...(this.#domain !== undefined && { domain: this.#domain }) };
  }

  /**
   * Claims a builder that has no domain yet for this one, permanently.
   * @throws EngineTaken if it belongs to another domain, perhaps claimed by another worker of the engine @throws EngineError
   */
  async claim(domain: string): Promise<void> {
    if (this.#domain === domain) return;
    try {
      await claimDomain(this.#engine, domain);
      this.#domain = domain;
    } catch (error) {
      if (error instanceof EngineTaken) this.#domain = error.domain;
      throw error;
    }
  }

  /**
   * Runs one build. Never rejects: whatever goes wrong is in the outcome.
   * @param signal abort it with a `BuildStop` to stop the build
   */
  async run(request: RunRequest, signal: AbortSignal): Promise<RunOutcome> {
    const running = this.#run(request, AbortSignal.any([signal, this.#closing.signal]));
    this.#running.add(running);
    try {
      return await running;
    } finally {
      this.#running.delete(running);
    }
  }

  async #run(request: RunRequest, signal: AbortSignal): Promise<RunOutcome> {
    const { trust = 'trusted' } = request;
    if (trust !== this.info.trust) {
      const message = `the builder is for ${this.info.trust} builds, got a build that is ${trust}`;
      return { end: 'failed', failure: { code: 'infrastructure', message } };
    }
    const { domain = trust } = request;
    if (domain !== this.#domain) {
      const own = this.#domain === undefined ? 'not claimed for any domain yet' : `for ${domainText(this.#domain)}`;
      const message = `the builder is ${own}, got one of the ${domainText(domain)}`;
      return { end: 'failed', failure: { code: 'infrastructure', message } };
    }
    const startedAt = this.#host.now();
    try {
      await this.#egress.ensure();
      await this.#leftovers.clear();
      const killsBefore = await this.#kills.before(this.#modes.makesBuilder(request));
      const ended = await this.#learningOwners(request, (observed) => this.#modes.run(observed, signal));
      const limitBytes = this.#options.settings?.limits?.memoryBytes;
      const outcome = namingMemory(ended, killsBefore, await this.#kills.after(killsBefore), limitBytes);
      // The daemon of a builder that was made for the attempt is gone, and what this one does is no evidence.
      const hadOwn = this.#modes.makesBuilder(request) && outcome.failure?.code === 'infrastructure';
      return signal.aborted || hadOwn ? outcome : await this.#faults.explain(outcome, startedAt);
    } catch (error) {
      this.#options.log.error({ err: error, buildId: request.buildId, attempt: request.attempt }, 'build run failed');
      return { end: 'failed', failure: { code: 'infrastructure', message: messageOf(error) } };
    }
  }

  /** Records what the steps of a run set for the owners and modes of cache mounts. */
  async #learningOwners(request: RunRequest, run: (request: RunRequest) => Promise<RunOutcome>): Promise<RunOutcome> {
    let names: readonly string[] = [];
    const observer = withSteps(request.observer, (all) => {
      names = all;
    });
    const outcome = await run({ ...request, observer });
    const { repo, spec } = request;
    const { trust } = this.#info;
    const namespace = cacheNamespace({ repo, team: spec.team, scope: spec.cacheScope, trust });
    await this.#owners.note(namespace, mountOwners(names)).catch((error: unknown) => {
      this.#options.log.warn({ err: error }, 'owners of cache mounts not recorded');
    });
    return outcome;
  }

  /**
   * Reads one of the builder's cache mounts as a tar, whatever names, modes, owners, links, holes and attributes it has. What RUNs set for its directory is known
   * from the builder's builds unless it is given.
   * @param take reads the tar to its end; called again, from the beginning, if a build had the mount
   * @throws MountUnreachable @throws SnapshotRunFailed @throws what `take` throws @throws as `inventory`
   */
  async saveMount(
    place: MountPlace,
    take: (content: AsyncIterable<Uint8Array>) => Promise<void>,
    signal: AbortSignal,
  ): Promise<SavedMount> {
    return await this.#working(signal, async (until) => {
      const owner = place.owner ?? (await this.#owners.all()).get(`${place.namespace}/${place.id}`);
      return await saveMount(this.#host, this.#leftovers, { ...place, owner }, take, until);
    });
  }

  /**
   * Fills a cache mount that the builder doesn't have; no build sees it before it is complete. Whatever cuts this off, the mount is removed before the next
   * build of the builder.
   * @returns `kept` if the builder has the mount already: then it stays as it is
   * @throws SnapshotRunFailed @throws what `tar.content` throws @throws as `inventory`
   */
  async seedMount(
    place: MountPlace,
    tar: { readonly sizeBytes: number; readonly content: AsyncIterable<Uint8Array> },
    signal: AbortSignal,
  ): Promise<'seeded' | 'kept'> {
    return await this.#working(signal, async (until) => {
      const id = `${place.namespace}/${place.id}`;
      if ((await this.inventory()).mounts.some((mount) => mount.id === id)) return 'kept';
      if (place.owner) await this.#owners.note(place.namespace, new Map([[place.id, place.owner]]));
      return await seedMount(this.#host, this.#leftovers, place, tar, until);
    });
  }

  /** Does what `close` and `stop` wait for, and stop. */
  async #working<T>(signal: AbortSignal, work: (until: AbortSignal) => Promise<T>): Promise<T> {
    await this.#leftovers.clear();
    const running = work(AbortSignal.any([signal, this.#closing.signal]));
    this.#running.add(running);
    try {
      return await running;
    } finally {
      this.#running.delete(running);
    }
  }

  /**
   * Returns what BuildKit actually stores now. Takes some milliseconds, or as long as `du` if mounts have changed.
   * @throws EngineError @throws BuildkitError
   */
  async inventory(): Promise<BuilderInventory> {
    await using control = await BuildkitControl.open(this.#host.connectBuildkit);
    const records = await control.diskUsage();
    return this.#inventories.read(records, this.#host.now());
  }

  /**
   * Removes BuildKit's records with these ids that aren't in use. Give it all that are to go at once: each call makes the engine's own BuildKit forget steps (see
   * `KeptOwners`), and of a record and the ones based on it only one call removes both in any order.
   * @returns the freed bytes by record, of those that were removed @throws as `inventory`
   */
  async prune(recordIds: readonly string[]): Promise<ReadonlyMap<string, number>> {
    if (recordIds.length === 0) return new Map();
    await using control = await BuildkitControl.open(this.#host.connectBuildkit);
    await this.#kept.keep(control);
    const freed = new Map<string, number>();
    for (let i = 0; i < recordIds.length; i += PRUNE_BATCH) {
      for (const { id, bytes } of await control.prune(recordIds.slice(i, i + PRUNE_BATCH))) freed.set(id, bytes);
    }
    return freed;
  }

  /** Removes records that aren't in use, in the order of BuildKit's garbage collection, until all take at most `toBytes`. @throws as `inventory` */
  async trim(toBytes: number): Promise<void> {
    await using control = await BuildkitControl.open(this.#host.connectBuildkit);
    await control.trim(toBytes);
  }

  /** Removes what a fault shows to be damaged; returns how many of BuildKit's records that were. Cache mounts stay unless one is named. @throws as `inventory` */
  async forget(fault: BuilderFault): Promise<number> {
    await using control = await BuildkitControl.open(this.#host.connectBuildkit);
    this.#modes.cachesRemoved();
    return await forgetRecords(control, fault);
  }

  /** Checks by a small build that the builder builds, and that its disk has room. @throws Error */
  async probe(): Promise<void> {
    await this.#faults.checkDisk();
    const request = probeRequest(this.info.trust, this.#domain, this.#host.now());
    assertProbed(await this.run(request, this.#closing.signal));
  }

  /** Resolves when no caches of builds that have ended are being exported. */
  async exported(): Promise<void> {
    await this.#modes.settled();
  }

  /**
   * Lets builds run until `untilMs` (ms since the epoch). If that passes without another call, everything in the tool container is killed, even if
   * this process is dead: between 1 s before and 2 s after that time.
   */
  async extendFence(untilMs: number): Promise<void> {
    await writeDeadline(this.#options.scratchDir, untilMs);
  }

  /**
   * Checks that builds can run.
   * @throws EngineError if the engine or the builder's container isn't available @throws EgressUnenforceable
   */
  async ping(): Promise<void> {
    await this.#egress.ensure();
    // A call, not just a connection, which a daemon that hangs accepts as well.
    await using control = await BuildkitControl.open(this.#host.connectBuildkit);
    await control.gcPolicies();
  }

  /** Removes the working trees of the builder's domain. No build may be running. @throws EngineError */
  async removeTrees(): Promise<void> {
    if (this.#domain !== undefined) await this.#host.trees?.remove(this.#domain);
  }

  /** Stops running builds and removes the tool container. The builder and its caches stay. */
  async close(): Promise<void> {
    this.#closing.abort('fence');
    await this.#modes.close();
    await Promise.allSettled(this.#running);
    this.#host.trees?.rest();
    await this.#host.tool.close();
  }

  /** Does what `close` does, and stops the builder, so that it takes no memory. Its caches stay for the next start. */
  async stop(): Promise<void> {
    await this.close();
    if (this.#info.driver === 'docker-container') await stopContainer(this.#engine, containerOf(this.#host.builder));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
