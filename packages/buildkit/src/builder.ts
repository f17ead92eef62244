import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { domainText, type Outcome } from '@kiln/domain';
import type Docker from 'dockerode';
import { containerOf, domainOf, toolContainerName } from './builder-names.ts';
import type { BuilderInfo, BuilderOptions, ContextSource, RunRequest } from './builder-options.ts';
import { buildkitConnector, type ConnectBuildkit } from './buildkit-connection.ts';
import { BuildkitControl } from './buildkit-control.ts';
import { type BuilderHost, chooseDriver, command, prepareBuilder } from './buildx-builder.ts';
import { buildkitVersion, buildxVersion, featuresOf, platformsOf } from './buildx-features.ts';
import { cacheBudget } from './cache-budget.ts';
import { enforcesFrontends } from './check-frontend.ts';
import { stopContainer } from './domain-volumes.ts';
import { BuilderEgress } from './egress/builder-egress.ts';
import { callEngine, connectEngine, DEFAULT_SOCKET } from './engine.ts';
import { claimDomain, claimEngine, EngineTaken, engineDomain } from './engine-claim.ts';
import { type BuilderInventory, InventoryReader } from './inventory.ts';
import { messageOf } from './message-of.ts';
import { type RunHost, runBuild } from './run-build.ts';
import { RunOwner } from './run-owner.ts';
import { ToolContainer } from './tool-container.ts';
import { toolPaths, writeDeadline, writeToolScripts } from './tool-scripts.ts';

/** From the start until the worker's first lease: nothing runs then but the builder's own preparations. */
const FIRST_FENCE_MS = 120_000;

/** One long-lived builder of a host, for builds of one isolation domain. */
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
   * Brings the tool container and the builder up. A tool container that a killed worker left behind is removed first, and
   * with it whatever buildx still ran in it.
   * @throws EngineError where the engine can't be reached, or an image can't be had
   * @throws Error where runs can't have users of their own: see `RunOwner.check`
   * @throws EngineNotApart where the engine's own BuildKit is another class's or domain's
   * @throws EgressUnenforceable where builds can't be kept to what they may reach
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
    const connectBuildkit = buildkitConnector(engine, driver, builder);
    const { trust = 'trusted' } = options;
    let domain = domainOf(options);
    if (driver === 'docker') {
      await claimEngine(engine, trust, () => isEmpty(connectBuildkit));
      if (domain !== undefined) await claimDomain(engine, domain);
      else domain = await engineDomain(engine);
    }
    await host.egress.verify(tool, builder);
    // Side by side: each costs an exec or a call, and none waits for another.
    const [version, help, inspect, budget, sizesAreFloors] = await Promise.all([
      command(tool, ['docker-buildx', 'version']),
      command(tool, ['docker-buildx', 'build', '--help']),
      command(tool, ['docker-buildx', 'inspect', builder]),
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
   * Makes a builder whose domain wasn't known that of this one, for good.
   * @throws EngineTaken where it is another's, maybe by another worker of the engine @throws EngineError
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
   * Runs one build. Never rejects for what happens to the build: that is the outcome.
   * @param signal abort it with a `BuildStop` to end the build
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
      const message = `the builder is one of ${this.info.trust} builds, the build is ${trust}`;
      return { end: 'failed', failure: { code: 'infrastructure', message } };
    }
    const { domain = trust } = request;
    if (domain !== this.#domain) {
      const own = this.#domain === undefined ? 'of nobody yet' : `for ${domainText(this.#domain)}`;
      const message = `the builder is ${own}, the build is one of ${domainText(domain)}`;
      return { end: 'failed', failure: { code: 'infrastructure', message } };
    }
    try {
      await this.#egress.ensure();
      return await runBuild(this.#host, request, signal);
    } catch (error) {
      this.#options.log.error(
        { err: error, buildId: request.buildId, attempt: request.attempt },
        'build run broke off',
      );
      return { end: 'failed', failure: { code: 'infrastructure', message: messageOf(error) } };
    }
  }

  /**
   * What BuildKit really holds now. Some milliseconds, or as long as `du` takes where mounts have changed.
   * @throws EngineError @throws BuildkitError where it doesn't answer: nothing is known then
   */
  async inventory(): Promise<BuilderInventory> {
    await using control = await BuildkitControl.open(this.#host.connectBuildkit);
    const records = await control.diskUsage();
    return this.#inventories.read(records, this.#host.now());
  }

  /** Removes records of BuildKit's by their ids, but for those in use; answers the bytes that this frees. @throws as `inventory` */
  async prune(recordIds: readonly string[]): Promise<number> {
    await using control = await BuildkitControl.open(this.#host.connectBuildkit);
    return (await control.prune(recordIds)).reduce((sum, { bytes }) => sum + bytes, 0);
  }

  /** Removes what BuildKit holds least worth keeping, but for what is in use, until all takes at most `toBytes`. @throws as `inventory` */
  async trim(toBytes: number): Promise<void> {
    await using control = await BuildkitControl.open(this.#host.connectBuildkit);
    await control.trim(toBytes);
  }

  /**
   * Lets builds go on until `untilMs` (ms since the epoch). When that passes without another call, everything in the tool
   * container is killed, whether this process lives or not: between 1 s before and 2 s after.
   */
  async extendFence(untilMs: number): Promise<void> {
    await writeDeadline(this.#options.scratchDir, untilMs);
  }

  /** @throws EngineError while the engine, or the builder's container, isn't there @throws EgressUnenforceable while builds can't be held */
  async ping(): Promise<void> {
    await this.#egress.ensure();
    (await this.#host.connectBuildkit()).destroy();
  }

  /** Stops what runs and removes the tool container. The builder and its caches stay. */
  async close(): Promise<void> {
    this.#closing.abort('fence');
    await Promise.allSettled(this.#running);
    await this.#host.tool.remove();
  }

  /** As `close`, and stops the builder, which then takes no memory. Its caches stay for the next start. */
  async stop(): Promise<void> {
    await this.close();
    if (this.#info.driver === 'docker-container') await stopContainer(this.#engine, containerOf(this.#host.builder));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

/** What a worker that was killed left: maybe files of runs' users, which only root of the tool container may remove. */
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

/** Whether BuildKit holds nothing of any build; what it shares with images doesn't count. */
async function isEmpty(connectBuildkit: ConnectBuildkit): Promise<boolean> {
  await using control = await BuildkitControl.open(connectBuildkit);
  const { usedBytes, mounts } = new InventoryReader(false).read(await control.diskUsage(), 0);
  return usedBytes === 0 && mounts.length === 0;
}

/** With its classic image store the engine measures a cache mount once and never again. */
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
