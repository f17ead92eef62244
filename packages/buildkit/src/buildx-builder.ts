import type Docker from 'dockerode';
import type { BuilderInfo, BuilderOptions } from './builder-options.ts';
import type { BuildxFeatures } from './buildx-arguments.ts';
import type { ToolContainer } from './tool-container.ts';

const COMMAND_TIMEOUT_MS = 60_000;

export interface PreparedBuilder {
  /** Name of the builder as buildx knows it. */
  readonly builder: string;
  readonly driver: BuilderInfo['driver'];
  readonly buildxVersion: string;
  readonly platforms: readonly string[];
  readonly features: BuildxFeatures;
}

/** Finds out what the tool container's buildx can do, and sees to the builder that builds shall use. */
export async function prepareBuilder(
  _options: BuilderOptions,
  _engine: Docker,
  tool: ToolContainer,
): Promise<PreparedBuilder> {
  const version = await command(tool, ['docker-buildx', 'version']);
  const help = await command(tool, ['docker-buildx', 'build', '--help']);
  const inspect = await command(tool, ['docker-buildx', 'inspect', '--bootstrap', 'default']);
  return {
    builder: 'default',
    driver: 'docker',
    buildxVersion: buildxVersion(version),
    platforms: platforms(inspect),
    features: { memoryFlag: /\s--memory[\s=]/.test(help), cpusFlag: /\s--cpus[\s=]/.test(help) },
  };
}

async function command(tool: ToolContainer, argv: readonly string[]): Promise<string> {
  const { exitCode, stdout, stderr } = await tool.capture(argv, COMMAND_TIMEOUT_MS);
  if (exitCode !== 0) throw new Error(`${argv.join(' ')}: exit code ${exitCode}: ${stderr.trim()}`);
  return stdout;
}

/** `github.com/docker/buildx v0.13.1 788433953af…`, Debian: `github.com/docker/buildx 0.13.1+ds1-3 …`. */
export function buildxVersion(text: string): string {
  return /\sv?(\d+\.\d+\.\d+\S*)/.exec(text)?.[1] ?? text.trim();
}

/** From the line `Platforms: linux/amd64*, linux/amd64/v2` of `buildx inspect`. */
export function platforms(text: string): string[] {
  const line = /^Platforms:\s*(.*)$/m.exec(text)?.[1] ?? '';
  return line
    .split(',')
    .map((platform) => platform.trim().replace(/\*$/, ''))
    .filter((platform) => platform !== '');
}
