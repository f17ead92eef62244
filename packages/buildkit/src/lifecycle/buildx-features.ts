import type { BuildxFeatures } from '../run/buildx-arguments.ts';

/** Parses `github.com/docker/buildx v0.13.1 788433953af…`, or Debian's `github.com/docker/buildx 0.13.1+ds1-3 …`. */
export function buildxVersion(text: string): string {
  return /\sv?(\d+\.\d+\.\d+\S*)/.exec(text)?.[1] ?? text.trim();
}

/** Parses the line `Platforms: linux/amd64*, linux/amd64/v2` of `buildx inspect`. */
export function platformsOf(inspect: string): string[] {
  const line = /^Platforms:\s*(.*)$/m.exec(inspect)?.[1] ?? '';
  return line
    .split(',')
    .map((platform) => platform.trim().replace(/\*$/, ''))
    .filter((platform) => platform !== '');
}

/**
 * Parses the line `BuildKit version: v0.12.5` of `buildx inspect` (`Buildkit:` before 0.13); undefined if BuildKit doesn't know its version,
 * as in Debian's engine (`v0.0.0+unknown`).
 */
export function buildkitVersion(inspect: string): string | undefined {
  const version = /^BuildKit(?: version)?:\s*v?(\S+)/im.exec(inspect)?.[1];
  return version?.startsWith('0.0.0') ? undefined : version;
}

/** Determines buildx's features from the output of `buildx build --help`. */
export function featuresOf(help: string): BuildxFeatures {
  return {
    memoryFlag: /\s--memory[\s=]/.test(help),
    cpusFlag: /\s--cpus[\s=]/.test(help),
    callFlag: /\s--call[\s=]/.test(help),
  };
}
