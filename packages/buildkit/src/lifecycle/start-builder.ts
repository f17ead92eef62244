import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type Docker from 'dockerode';
import { buildkitConnector, type ConnectBuildkit } from '../control/buildkit-connection.ts';
import { BuildkitControl } from '../control/buildkit-control.ts';
import { InventoryReader } from '../control/inventory.ts';
import { callEngine, connectEngine, DEFAULT_SOCKET } from '../engine/engine.ts';
import { enforcesFrontends } from '../run/check-frontend.ts';
import { EngineArchives } from '../run/engine-archives.ts';
import { PUSH_RETRIES } from '../run/push-retries.ts';
import type { RunHost } from '../run/run-host.ts';
import { RunOwner } from '../run/run-owner.ts';
import type { ContextSource, RunRequest } from '../run/run-request.ts';
import { STALLED_AFTER_MS } from '../run/stall-watch.ts';
import { proxyEnv } from '../settings/proxy.ts';
import { daemonActivity } from '../tool/daemon-activity.ts';
import { imageFact } from '../tool/image-facts.ts';
import { runCommand } from '../tool/run-command.ts';
import { ToolContainer } from '../tool/tool-container.ts';
import { TREE_PROGRAMS, toolPaths, writeDeadline, writeToolScripts } from '../tool/tool-scripts.ts';
import { TreeBudget } from '../trees/tree-budget.ts';
import { WorkingTrees } from '../trees/working-trees.ts';
import { BuilderEgress } from './builder-egress.ts';
import { builderName, containerOf, domainOf, toolContainerName } from './builder-names.ts';
import type { BuilderInfo, BuilderOptions } from './builder-options.ts';
import { type BuilderHost, chooseDriver, entitlementsOf, prepareBuilder } from './buildx-builder.ts';
import { buildkitVersion, buildxVersion, featuresOf, platformsOf } from './buildx-features.ts';
import { cacheBudget, defaultTreeBudget } from './cache-budget.ts';
import { CertificateFiles } from './certificate-files.ts';
import { embeddedPlatforms } from './embedded-emulators.ts';
import { claimDomain, claimEngine, engineDomain } from './engine-claim.ts';
import { FreshBuilders } from './fresh-builders.ts';
import { treeToolImage } from './tree-tool-image.ts';

/** Covers the time from the start to the worker's first lease, in which only the builder's own commands run. */
const FIRST_FENCE_MS = 120_000;

/** The parts of a running builder. */
export interface StartedBuilder {
  readonly engine: Docker;
  readonly egress: BuilderEgress;
  readonly info: BuilderInfo;
  readonly runs: RunHost;
  /** Undefined with the driver `docker`. */
  readonly fresh: FreshBuilders | undefined;
  /** Whether its inventory's sizes are only minimums: see `BuilderInventory`. */
  readonly sizesAreFloors: boolean;
}

interface Preparation extends BuilderHost {
  readonly engineVersion: string;
  readonly owner: RunOwner;
  readonly egress: BuilderEgress;
  readonly keepsTrees: boolean;
}

/** Does what `Builder.start` promises. */
export async function startBuilder(options: BuilderOptions): Promise<StartedBuilder> {
  const engine = connectEngine(options.dockerSocket ?? DEFAULT_SOCKET);
  const engineVersion = await versionOf(engine);
  const egress = await BuilderEgress.prepare({ options, engine });
  const { network } = egress;
  const tool = toolContainer(options, engine, network);
  const paths = toolPaths(options.scratchDir);
  await tool.remove();
  await mkdir(options.scratchDir, { recursive: true, mode: 0o700 });
  await writeToolScripts(options.scratchDir);
  await writeDeadline(options.scratchDir, Date.now() + FIRST_FENCE_MS);
  await new CertificateFiles(options.scratchDir, options.settings ?? {}).write();
  await tool.recreate();
  try {
    const keepsTrees = await addTreePrograms(options, engine, tool);
    const owner = new RunOwner(tool, paths);
    await owner.check();
    await clearRuns(owner, paths.runs);
    return await startBuilderOn({ options, engine, engineVersion, tool, owner, egress, network, keepsTrees });
  } catch (error) {
    await tool.close().catch(() => undefined);
    throw error;
  }
}

async function startBuilderOn(host: Preparation): Promise<StartedBuilder> {
  const { options, engine, tool, egress } = host;
  const driver = await chooseDriver(host);
  const builder = await prepareBuilder(host, driver);
  const connectBuildkit = buildkitConnector(engine, driver === 'docker' ? undefined : containerOf(builder));
  const { trust = 'trusted' } = options;
  // buildx reports a daemon that doesn't start only in what it prints.
  if (driver === 'docker-container') await assertAnswers(connectBuildkit);
  let domain = domainOf(options);
  if (driver === 'docker') {
    await claimEngine(engine, trust, () => isEmpty(connectBuildkit));
    if (domain !== undefined) await claimDomain(engine, domain);
    else domain = await engineDomain(engine);
  }
  await egress.verify(tool, builder);
  // Concurrently: each costs an exec or a call, and none depends on another.
  const [version, help, inspect, budget, sizesAreFloors, trees, embedded] = await Promise.all([
    imageFact(tool, ['docker-buildx', 'version']),
    imageFact(tool, ['docker-buildx', 'build', '--help']),
    runCommand(tool, ['docker-buildx', 'inspect', builder]),
    cacheBudget(options, driver, connectBuildkit),
    driver === 'docker' && measuresMountsOnce(engine),
    workingTrees(host),
    driver === 'docker' ? [] : embeddedPlatforms(engine, containerOf(builder)),
  ]);
  const buildkit = buildkitVersion(inspect);
  const info = {
    trust,
    ...(domain !== undefined && { domain }),
    driver,
    engineVersion: host.engineVersion,
    buildxVersion: buildxVersion(version),
    ...(buildkit !== undefined && { buildkitVersion: buildkit }),
    platforms: [...new Set([...platformsOf(inspect), ...embedded])],
    cacheBudget: budget,
  };
  options.log.info({ ...info, builder }, 'builder ready');
  // buildx asks whether the driver builds for several platforms, which the engine's own BuildKit does only with its newer image store.
  const hasNewerStore = driver !== 'docker' || !sizesAreFloors;
  const archives = hasNewerStore ? undefined : new EngineArchives(engine, builderName(options));
  const runs = {
    trust,
    tool,
    owner: host.owner,
    paths: toolPaths(options.scratchDir),
    trees,
    builder,
    features: featuresOf(help),
    platforms: info.platforms,
    attests: hasNewerStore,
    archives,
    connectBuildkit,
    entitlements: entitlementsOf(options),
    frontends: { allowed: options.frontends ?? 'any', isEnforced: enforcesFrontends(driver, buildkit) },
    dockerConfigDir: options.dockerConfigDir,
    proxy: options.settings?.proxy,
    sourcePolicy: (sources: readonly ContextSource[]) => egress.sourcePolicy(sources),
    refusedCaches: (request: RunRequest) => egress.refusedCaches(request),
    stall:
      driver === 'docker'
        ? undefined
        : {
            afterMs: options.stalledAfterMs ?? STALLED_AFTER_MS,
            activity: () => daemonActivity(engine, containerOf(builder)),
          },
    pushRetries: { ...PUSH_RETRIES, ...options.pushRetries },
    log: options.log,
    now: Date.now,
  };
  await archives?.clear();
  const fresh = driver === 'docker' ? undefined : new FreshBuilders(host);
  return { engine, egress, info, runs, fresh, sizesAreFloors };
}

/** Makes sure that the tool container has the programs that change working trees; returns false if it can't have them. */
async function addTreePrograms(
  { toolImage, log }: BuilderOptions,
  engine: Docker,
  tool: ToolContainer,
): Promise<boolean> {
  const hasThem = async () => {
    const found = await imageFact(tool, ['sh', '-c', TREE_PROGRAMS.script]);
    return found.trim().split('\n').length >= TREE_PROGRAMS.lines;
  };
  if (await hasThem()) return true;
  const image = await treeToolImage(engine, toolImage, log);
  if (image !== undefined) {
    await tool.use(image);
    if (await hasThem()) return true;
  }
  log.warn({ image: toolImage }, 'no working trees: the tool image lacks GNU tar, xargs or touch');
  return false;
}

/** Finds the builder's working trees; undefined if the tool image lacks the programs that change them. */
async function workingTrees({ options, tool, owner, keepsTrees }: Preparation): Promise<WorkingTrees | undefined> {
  if (!keepsTrees) return undefined;
  const { log, scratchDir } = options;
  const { tree: script, trees: dir } = toolPaths(scratchDir);
  const budget = options.treeBudget ?? new TreeBudget(await defaultTreeBudget(scratchDir), [], log);
  return await WorkingTrees.open({ tool, script, dir, owner, budget, log, now: Date.now });
}

/** Removes runs that a killed worker left: their files may belong to runs' users, so only root in the tool container can. */
async function clearRuns(owner: RunOwner, runs: string): Promise<void> {
  for (const name of await readdir(runs)) await owner.remove(join(runs, name));
}

async function versionOf(engine: Docker): Promise<string> {
  const { Version } = await callEngine('version', () => engine.version());
  return Version;
}

/** @throws BuildkitError @throws EngineError */
async function assertAnswers(connectBuildkit: ConnectBuildkit): Promise<void> {
  await using control = await BuildkitControl.open(connectBuildkit);
  await control.gcPolicies();
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

/** Returns the builder's tool container, which may not exist yet. */
export function toolContainer(options: BuilderOptions, engine: Docker, network?: string): ToolContainer {
  const { hostName, instance, toolImage, scratchDir, settings = {}, log } = options;
  const socket = options.dockerSocket ?? DEFAULT_SOCKET;
  return new ToolContainer({
    engine,
    name: toolContainerName(options),
    image: toolImage,
    labels: { 'kiln.host': hostName, 'kiln.instance': instance, 'kiln.domain': domainOf(options) ?? '' },
    scratchDir,
    engineSocketPath: options.engineSocketPath ?? (socket.startsWith('/') ? socket : DEFAULT_SOCKET),
    network,
    env: [...proxyEnv(settings.proxy), ...new CertificateFiles(scratchDir, settings).env],
    log,
  });
}
