import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { domainText, type Outcome } from '@kiln/domain';
import type Docker from 'dockerode';
import { buildkitConnector, type ConnectBuildkit } from '../control/buildkit-connection.ts';
import { BuildkitControl } from '../control/buildkit-control.ts';
import { type BuilderInventory, InventoryReader } from '../control/inventory.ts';
import { stopContainer } from '../engine/containers.ts';
import { callEngine, connectEngine, DEFAULT_SOCKET } from '../engine/engine.ts';
import { messageOf } from '../engine/message-of.ts';
import { enforcesFrontends } from '../run/check-frontend.ts';
import { runBuild } from '../run/run-build.ts';
import type { RunHost } from '../run/run-host.ts';
import { RunOwner } from '../run/run-owner.ts';
import type { ContextSource, RunRequest } from '../run/run-request.ts';
import { runCommand } from '../tool/run-command.ts';
import { ToolContainer } from '../tool/tool-container.ts';
import { toolPaths, writeDeadline, writeToolScripts } from '../tool/tool-scripts.ts';
import { BuilderEgress } from './builder-egress.ts';
import { containerOf, domainOf, toolContainerName } from './builder-names.ts';
import type { BuilderInfo, BuilderOptions } from './builder-options.ts';
import { type BuilderHost, chooseDriver, prepareBuilder } from './buildx-builder.ts';
import { buildkitVersion, buildxVersion, featuresOf, platformsOf } from './buildx-features.ts';
import { cacheBudget } from './cache-budget.ts';
import { claimDomain, claimEngine, EngineTaken, engineDomain } from './engine-claim.ts';

/** Covers the time from the start to the worker's first lease, in which only the builder's own commands run. */
const FIRST_FENCE_MS = 120_000;

/** A long-lived builder of a host, for builds of one isolation domain. */
export class Builder {
  readonly #info: BuilderInfo;
  #domain: string | undefined;
  readonly #engine: Docker;
  readonly #options: BuilderOptions;
  readonly #host: RunHost;
  readonly #egress: BuilderEgress;
  readonly #running = new Set<Promise<unknown>>();
  readonly #closing = new AbortController();
  readonly #inventories: InventoryReader;

  private constructor(
    { options, engine, egress }: Preparation,
    info: BuilderInfo,
    host: RunHost,
    sizesAreFloors: boolean,
  ) {
    this.#options = options;
    this.#engine = engine;
    this.#egress = egress;
    this.#info = info;
    this.#domain = info.domain;
    this.#host = host;
    this.#inventories = new InventoryReader(sizesAreFloors);
  }

  /**
   * Starts the tool container and the builder. Removes a tool container that a killed worker left behind, with any buildx in it.
   * @throws EngineError if the engine can't be reached, or an image can't be pulled
   * @throws Error if runs can't have users of their own: see `RunOwner.check`
   * @throws EngineNotApart if the engine's own BuildKit belongs to another class or domain
   * @throws EgressUnenforceable if the egress rules can't be enforced
   */
  static async start(options: BuilderOptions): Promise<Builder> {
    const engine = connectEngine(options.dockerSocket ?? DEFAULT_SOCKET);
    const engineVersion = await versionOf(engine);
    const egress = await BuilderEgress.prepare({ options, engine });
    const tool = toolContainer(options, engine, egress.network);
    const paths = toolPaths(options.scratchDir);
    await tool.remove();
    await mkdir(options.scratchDir, { recursive: true, mode: 0o700 });
    await writeToolScripts(options.scratchDir);
    await writeDeadline(options.scratchDir, Date.now() + FIRST_FENCE_MS);
    await tool.recreate();
    try {
      const owner = new RunOwner(tool, paths);
      await owner.check();
      await clearRuns(owner, paths.runs);
      return await Builder.#prepare({ options, engine, tool, owner, egress, network: egress.network }, engineVersion);
    } catch (error) {
      await tool.remove().catch(() => undefined);
      throw error;
    }
  }

  static async #prepare(host: Preparation, engineVersion: string): Promise<Builder> {
    const { options, engine, tool } = host;
    const driver = await chooseDriver(host);
    const builder = await prepareBuilder(host, driver);
    const connectBuildkit = buildkitConnector(engine, driver === 'docker' ? undefined : containerOf(builder));
    const { trust = 'trusted' } = options;
    let domain = domainOf(options);
    if (driver === 'docker') {
      await claimEngine(engine, trust, () => isEmpty(connectBuildkit));
      if (domain !== undefined) await claimDomain(engine, domain);
      else domain = await engineDomain(engine);
    }
    await host.egress.verify(tool, builder);
    // Concurrently: each costs an exec or a call, and none depends on another.
    const [version, help, inspect, budget, sizesAreFloors] = await Promise.all([
      runCommand(tool, ['docker-buildx', 'version']),
      runCommand(tool, ['docker-buildx', 'build', '--help']),
      runCommand(tool, ['docker-buildx', 'inspect', builder]),
      cacheBudget(options, driver, connectBuildkit),
      driver === 'docker' && measuresMountsOnce(engine),
    ]);
    const buildkit = buildkitVersion(inspect);
    const info = {
      trust,
      ...(domain !== undefined && { domain }),
      driver,
      engineVersion,
      buildxVersion: buildxVersion(version),
      ...(buildkit !== undefined && { buildkitVersion: buildkit }),
      platforms: platformsOf(inspect),
      cacheBudget: budget,
    };
    options.log.info({ ...info, builder }, 'builder ready');
    const runs = {
      trust,
      tool,
      owner: host.owner,
      paths: toolPaths(options.scratchDir),
      builder,
      features: featuresOf(help),
      connectBuildkit,
      frontends: { allowed: options.frontends ?? 'any', isEnforced: enforcesFrontends(driver, buildkit) },
      dockerConfigDir: options.dockerConfigDir,
      sourcePolicy: (source: ContextSource) => host.egress.sourcePolicy(source),
      log: options.log,
      now: Date.now,
    };
    return new Builder(host, info, runs, sizesAreFloors);
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
  async run(request: RunRequest, signal: AbortSignal): Promise<Outcome> {
    const running = this.#run(request, AbortSignal.any([signal, this.#closing.signal]));
    this.#running.add(running);
    try {
      return await running;
    } finally {
      this.#running.delete(running);
    }
  }

  async #run(request: RunRequest, signal: AbortSignal): Promise<Outcome> {
    const { trust = 'trusted' } = request;
    if (trust !== this.info.trust) {
      const message = `the builder is for ${this.info.trust} builds, got a build that is ${trust}`;
      return { end: 'failed', failure: { code: 'infrastructure', message } };
    }
    const { domain = trust } = request;
    if (domain !== this.#domain) {
      const own = this.#domain === undefined ? 'not claimed for any domain yet' : `for ${domainText(this.#domain)}`;
      const message = `the builder is ${own}, got a build of ${domainText(domain)}`;
      return { end: 'failed', failure: { code: 'infrastructure', message } };
    }
    try {
      await this.#egress.ensure();
      return await runBuild(this.#host, request, signal);
    } catch (error) {
      this.#options.log.error({ err: error, buildId: request.buildId, attempt: request.attempt }, 'build run failed');
      return { end: 'failed', failure: { code: 'infrastructure', message: messageOf(error) } };
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

  /** Removes BuildKit's records with these ids that aren't in use; returns the freed bytes. @throws as `inventory` */
  async prune(recordIds: readonly string[]): Promise<number> {
    await using control = await BuildkitControl.open(this.#host.connectBuildkit);
    return (await control.prune(recordIds)).reduce((sum, { bytes }) => sum + bytes, 0);
  }

  /** Removes records that aren't in use, in the order of BuildKit's garbage collection, until all take at most `toBytes`. @throws as `inventory` */
  async trim(toBytes: number): Promise<void> {
    await using control = await BuildkitControl.open(this.#host.connectBuildkit);
    await control.trim(toBytes);
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
    (await this.#host.connectBuildkit()).destroy();
  }

  /** Stops running builds and removes the tool container. The builder and its caches stay. */
  async close(): Promise<void> {
    this.#closing.abort('fence');
    await Promise.allSettled(this.#running);
    await this.#host.tool.remove();
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

/** Removes runs that a killed worker left: their files may belong to runs' users, so only root in the tool container can. */
async function clearRuns(owner: RunOwner, runs: string): Promise<void> {
  for (const name of await readdir(runs)) await owner.remove(join(runs, name));
}

interface Preparation extends BuilderHost {
  readonly owner: RunOwner;
  readonly egress: BuilderEgress;
}

async function versionOf(engine: Docker): Promise<string> {
  const { Version } = await callEngine('version', () => engine.version());
  return Version;
}

/** Whether BuildKit has no caches of builds; what it shares with images doesn't count. */
async function isEmpty(connectBuildkit: ConnectBuildkit): Promise<boolean> {
  await using control = await BuildkitControl.open(connectBuildkit);
  const { usedBytes, mounts } = new InventoryReader(false).read(await control.diskUsage(), 0);
  return usedBytes === 0 && mounts.length === 0;
}

/** Whether the engine measures a cache mount only once, as it does with its classic image store. */
async function measuresMountsOnce(engine: Docker): Promise<boolean> {
  const { DriverStatus } = await callEngine('info', () => engine.info() as Promise<{ DriverStatus?: string[][] }>);
  return !DriverStatus?.some(([name, value]) => name === 'driver-type' && value === SNAPSHOTTER);
}

const SNAPSHOTTER = 'io.containerd.snapshotter.v1';

function toolContainer(options: BuilderOptions, engine: Docker, network?: string): ToolContainer {
  const { hostName, instance, toolImage, scratchDir, log } = options;
  const socket = options.dockerSocket ?? DEFAULT_SOCKET;
  return new ToolContainer({
    engine,
    name: toolContainerName(options),
    image: toolImage,
    labels: { 'kiln.host': hostName, 'kiln.instance': instance, 'kiln.domain': domainOf(options) ?? '' },
    scratchDir,
    engineSocketPath: options.engineSocketPath ?? (socket.startsWith('/') ? socket : DEFAULT_SOCKET),
    network,
    log,
  });
}
