import { createHash } from 'node:crypto';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type Docker from 'dockerode';
import type { DriverName } from '../control/buildkit-connection.ts';
import { removeContainer } from '../engine/containers.ts';
import { callEngine } from '../engine/engine.ts';
import { ensureImage } from '../engine/engine-images.ts';
import { imageFact } from '../tool/image-facts.ts';
import { runCommand } from '../tool/run-command.ts';
import type { ToolContainer } from '../tool/tool-container.ts';
import { adaptContainer } from './adapt-container.ts';
import { builderName, containerOf } from './builder-names.ts';
import type { BuilderOptions } from './builder-options.ts';
import { buildkitdConfig } from './buildkitd-config.ts';
import { configuredBudget } from './cache-budget.ts';
import { CertificateFiles } from './certificate-files.ts';
import { ensureVolume } from './domain-volumes.ts';

const COMMAND_TIMEOUT_MS = 60_000;
/** BuildKit reads its cache when it starts, which takes long for a large one. */
const BOOT_TIMEOUT_MS = 180_000;
/** For `auto`: if the pull takes longer, the engine's own BuildKit is used. */
const SHORT_PULL_TIMEOUT_MS = 30_000;
const LONG_PULL_TIMEOUT_MS = 600_000;

/** buildx's name for the engine's own builder. */
const ENGINE_BUILDER = 'default';

export interface BuilderHost {
  readonly options: BuilderOptions;
  readonly engine: Docker;
  readonly tool: ToolContainer;
  /** Docker network of the builder's container. Default: the engine's own. */
  readonly network?: string | undefined;
}

/**
 * Determines the driver for `options.driver`. `auto` becomes `docker`, the engine's own BuildKit, if BuildKit's image can't be pulled soon.
 * @throws EngineError
 */
export async function chooseDriver({ options, engine }: Pick<BuilderHost, 'options' | 'engine'>): Promise<DriverName> {
  if (options.driver === 'docker') return 'docker';
  try {
    const timeoutMs = options.driver === 'auto' ? SHORT_PULL_TIMEOUT_MS : LONG_PULL_TIMEOUT_MS;
    await ensureImage(engine, options.buildkitImage, timeoutMs);
    return 'docker-container';
  } catch (error) {
    if (options.driver !== 'auto') throw error;
    options.log.warn({ err: error, image: options.buildkitImage }, 'no BuildKit image, using the engine’s BuildKit');
    return 'docker';
  }
}

/** Starts the builder and returns its name. Recreates an existing one only if its configuration has changed, and keeps its caches. */
export async function prepareBuilder(host: BuilderHost, driver: DriverName): Promise<string> {
  if (driver === 'docker') {
    if ((host.options.cacheBudgetBytes ?? host.options.cacheBudgetShare) !== undefined) {
      host.options.log.warn({}, 'cache budget not applied: the engine’s own configuration governs its cache');
    }
    return ENGINE_BUILDER;
  }
  const { options, engine } = host;
  const name = builderName(options);
  await ensureVolume(engine, options);
  const { settings = {} } = options;
  const files = new CertificateFiles(options.scratchDir, settings);
  const config = buildkitdConfig({
    cacheBudgetBytes: await configuredBudget(options),
    frontends: options.frontends ?? 'any',
    entitlements: entitlementsOf(options),
    settings,
    fileOf: { pem: (text) => files.pem(text), path: (path) => files.path(path) },
  });
  const configFile = configFileOf(options);
  const stampFile = join(options.scratchDir, 'builder.stamp');
  const made = [name, options.buildkitImage, config, ...(host.network === undefined ? [] : [host.network])];
  if (Object.keys(settings).length > 0) made.push(JSON.stringify(settings));
  const stamp = createHash('sha256').update(made.join('\n')).digest('hex');
  if ((await readText(stampFile)) !== stamp) {
    await rm(stampFile, { force: true });
    await writeFile(configFile, config);
    await createBuilder(host, name, configFile);
    await writeFile(stampFile, stamp);
  }
  await boot(host, name, BUILDX);
  await keepRunning(engine, name);
  return name;
}

/** Starts the builder's container and waits until BuildKit answers. */
async function boot({ engine, tool, options }: BuilderHost, name: string, buildx: Buildx): Promise<void> {
  const bootstrap = () => runCommand(tool, [...buildx, 'inspect', '--bootstrap', name], BOOT_TIMEOUT_MS);
  await bootstrap();
  if (await adaptContainer(engine, containerOf(name), options.settings ?? {})) await bootstrap();
}

async function createBuilder(host: BuilderHost, name: string, configFile: string): Promise<void> {
  const { options, engine, tool } = host;
  await tool.capture(['docker-buildx', 'rm', '--force', '--keep-state', name], COMMAND_TIMEOUT_MS);
  // buildx may not know the container (a lost scratch directory). The named volume with the caches stays.
  await removeContainer(engine, containerOf(name));
  await create(host, name, configFile, BUILDX);
  options.log.info({ builder: name, image: options.buildkitImage }, 'builder created');
}

/** Returns the privileges that a builder's builds may ask for. */
export function entitlementsOf({ trust = 'trusted', entitlements = [] }: BuilderOptions): readonly string[] {
  return trust === 'trusted' ? entitlements : [];
}

/** A command of buildx, and the variables before it. */
type Buildx = readonly string[];
const BUILDX: Buildx = ['docker-buildx'];

/**
 * Creates and starts a builder with the configuration of its domain's long-lived one.
 * @param buildxConfig the directory in which buildx notes it
 */
export async function startBuildkit(host: BuilderHost, name: string, buildxConfig: string): Promise<void> {
  const buildx = ['env', `BUILDX_CONFIG=${buildxConfig}`, ...BUILDX];
  await create(host, name, configFileOf(host.options), buildx);
  await boot(host, name, buildx);
}

async function create(
  { options, tool, network }: BuilderHost,
  name: string,
  configFile: string,
  buildx: Buildx,
): Promise<void> {
  await runCommand(tool, [
    ...buildx,
    'create',
    `--name=${name}`,
    '--driver=docker-container',
    `--driver-opt=image=${options.buildkitImage}`,
    ...(network === undefined ? [] : [`--driver-opt=network=${network}`]),
    // By default BuildKit truncates a step's output at 2 MiB and at 200 kB/s.
    '--driver-opt=env.BUILDKIT_STEP_LOG_MAX_SIZE=-1',
    '--driver-opt=env.BUILDKIT_STEP_LOG_MAX_SPEED=-1',
    `${await configFlag(tool)}=${configFile}`,
  ]);
}

function configFileOf({ scratchDir }: BuilderOptions): string {
  return join(scratchDir, 'buildkitd.toml');
}

/** Returns the name of the flag for BuildKit's configuration, which was `--config` before buildx 0.13. */
async function configFlag(tool: ToolContainer): Promise<string> {
  const help = await imageFact(tool, ['docker-buildx', 'create', '--help']);
  return help.includes('--buildkitd-config') ? '--buildkitd-config' : '--config';
}

/** Sets the restart policy. `--driver-opt restart-policy` would need buildx 0.14. */
async function keepRunning(engine: Docker, name: string): Promise<void> {
  await callEngine('set the restart policy of the builder', () =>
    engine.getContainer(containerOf(name)).update({ RestartPolicy: { Name: 'unless-stopped' } }),
  );
}

async function readText(path: string): Promise<string | undefined> {
  return await readFile(path, 'utf8').catch(() => undefined);
}
