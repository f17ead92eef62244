import { open } from 'node:fs/promises';
import type { BuildSpec } from '@kiln/contracts';
import { type AllowedFrontends, type Failure, refusedFrontend } from '@kiln/domain';
import type { DriverName } from '../control/buildkit-connection.ts';

/** Directives are at the top of a Dockerfile; one in JSON has to be read as a whole. */
const MAX_HEAD_BYTES = 1024 * 1024;
/** The first BuildKit that enforces `allowedRepositories`. */
const ENFORCED_SINCE = [0, 14] as const;

/** Whether a builder enforces the allowed frontends by its own configuration. The engine's BuildKit has no such setting. */
export function enforcesFrontends(driver: DriverName, version: string | undefined): boolean {
  const [major, minor] = (/^(\d+)\.(\d+)\./.exec(version ?? '') ?? []).slice(1).map(Number);
  if (driver !== 'docker-container' || major === undefined || minor === undefined) return false;
  return major > ENFORCED_SINCE[0] || minor >= ENFORCED_SINCE[1];
}

/** Returns the failure of a build that names a frontend that isn't allowed, by a build argument or in its Dockerfile; otherwise undefined. */
export function checkFrontend(
  allowed: AllowedFrontends,
  { buildArgs, dockerfile }: Pick<BuildSpec, 'buildArgs' | 'dockerfile'>,
  text: string | undefined,
): Failure | undefined {
  if (allowed === 'any') return undefined;
  const byArgument = refusedFrontend(undefined, buildArgs, allowed);
  if (byArgument !== undefined) return refused(byArgument, 'buildArgs.BUILDKIT_SYNTAX', allowed);
  const named = refusedFrontend(text, buildArgs, allowed);
  return named === undefined ? undefined : refused(named, `# syntax of ${dockerfile}`, allowed);
}

function refused(got: string, field: string, allowed: readonly string[]): Failure {
  const expected = allowed.length > 0 ? allowed.join(' or ') : 'none, for BuildKit’s own';
  return { code: 'frontend_refused', message: `${field}: got ${JSON.stringify(got)}, expected ${expected}` };
}

/** Reads the part of a Dockerfile that can name a frontend; undefined if it is too large to determine it. */
export async function dockerfileHead(path: string): Promise<string | undefined> {
  await using file = await open(path);
  const { size } = await file.stat();
  const { buffer, bytesRead } = await file.read(Buffer.alloc(Math.min(size, MAX_HEAD_BYTES)), 0, null, 0);
  const text = buffer.subarray(0, bytesRead).toString();
  return bytesRead < size && text.trimStart().startsWith('{') ? undefined : text;
}
