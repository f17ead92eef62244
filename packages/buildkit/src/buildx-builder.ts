import { createHash } from 'node:crypto';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type Docker from 'dockerode';
import { builderName, containerOf } from './builder-names.ts';
import type { BuilderOptions, DriverName } from './builder-options.ts';
import { buildkitdConfig } from './buildkitd-config.ts';
import { configuredBudget } from './cache-budget.ts';
import { ensureVolume, removeContainer } from './domain-volumes.ts';
import { callEngine } from './engine.ts';
import { ensureImage } from './engine-images.ts';
import type { ToolContainer } from './tool-container.ts';

const COMMAND_TIMEOUT_MS = 60_000;
/** A BuildKit that comes up with a large cache reads it first. */
const BOOT_TIMEOUT_MS = 180_000;
/** For `auto`: longer than this, and builds had better begin with what the engine has. */
const SHORT_PULL_TIMEOUT_MS = 30_000;
const LONG_PULL_TIMEOUT_MS = 600_000;

/** buildx's own name for the builder that is the engine itself. */
const ENGINE_BUILDER = 'default';

export interface BuilderHost {
  readonly options: BuilderOptions;
  readonly engine: Docker;
  readonly tool: ToolContainer;
  /** Docker network of the builder's container. Default: the engine's own. */
  readonly network?: string | undefined;
}

/** Which driver serves `options.driver` here. With `auto`, the engine's own BuildKit where the image can't be had soon. */
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

/** Brings the builder up and returns its name. One that exists is kept, with its caches; with a changed configuration it is made anew over the same caches. */
export async function prepareBuilder(host: BuilderHost, driver: DriverName): Promise<string> {
  if (driver === 'docker') {
    if (host.options.cacheBudgetBytes !== undefined) {
      host.options.log.warn({}, 'cache budget not applied: the engine’s own configuration rules its cache');
    }
    return ENGINE_BUILDER;
  }
  const { options, engine, tool } = host;
  const name = builderName(options);
  await ensureVolume(engine, options);
  const config = buildkitdConfig({
    cacheBudgetBytes: await configuredBudget(options),
    plainHttpRegistries: options.plainHttpRegistries ?? [],
    frontends: options.frontends ?? 'any',
  });
  const configFile = join(options.scratchDir, 'buildkitd.toml');
  const stampFile = join(options.scratchDir, 'builder.stamp');
  const made = [name, options.buildkitImage, config, ...(host.network === undefined ? [] : [host.network])];
  const stamp = createHash('sha256').update(made.join('\n')).digest('hex');
  if ((await readText(stampFile)) !== stamp) {
    await rm(stampFile, { force: true });
    await writeFile(configFile, config);
    await createBuilder(host, name, configFile);
    await writeFile(stampFile, stamp);
  }
  await command(tool, ['docker-buildx', 'inspect', '--bootstrap', name], BOOT_TIMEOUT_MS);
  await keepRunning(engine, name);
  return name;
}

async function createBuilder(host: BuilderHost, name: string, configFile: string): Promise<void> {
  const { options, engine, tool, network } = host;
  await tool.capture(['docker-buildx', 'rm', '--force', '--keep-state', name], COMMAND_TIMEOUT_MS);
  // Also where buildx has forgotten it (a lost scratch directory). The named volume with the caches stays.
  await removeContainer(engine, containerOf(name));
  await command(tool, [
    'docker-buildx',
    'create',
    `--name=${name}`,
    '--driver=docker-container',
    `--driver-opt=image=${options.buildkitImage}`,
    ...(network === undefined ? [] : [`--driver-opt=network=${network}`]),
    // BuildKit cuts a step's output at 2 MiB, and below 200 kB/s, unless told otherwise.
    '--driver-opt=env.BUILDKIT_STEP_LOG_MAX_SIZE=-1',
    '--driver-opt=env.BUILDKIT_STEP_LOG_MAX_SPEED=-1',
    `${await configFlag(tool)}=${configFile}`,
  ]);
  options.log.info({ builder: name, image: options.buildkitImage }, 'builder created');
}

/** Called `--config` before buildx 0.13. */
async function configFlag(tool: ToolContainer): Promise<string> {
  const help = await command(tool, ['docker-buildx', 'create', '--help']);
  return help.includes('--buildkitd-config') ? '--buildkitd-config' : '--config';
}

/** Not by `--driver-opt restart-policy`: that came only with buildx 0.14. */
async function keepRunning(engine: Docker, name: string): Promise<void> {
  await callEngine('set the restart policy of the builder', () =>
    engine.getContainer(containerOf(name)).update({ RestartPolicy: { Name: 'unless-stopped' } }),
  );
}

async function readText(path: string): Promise<string | undefined> {
  return await readFile(path, 'utf8').catch(() => undefined);
}

/** Runs a command that has to succeed, and returns what it printed. */
export async function command(
  tool: ToolContainer,
  argv: readonly string[],
  timeoutMs = COMMAND_TIMEOUT_MS,
): Promise<string> {
  const { exitCode, stdout, stderr } = await tool.capture(argv, timeoutMs);
  if (exitCode !== 0) throw new Error(`${argv.join(' ')}: exit code ${exitCode ?? 'unknown'}: ${stderr.trim()}`);
  return stdout;
}
