import { open } from 'node:fs/promises';
import type { BuildSpec } from '@kiln/contracts';
import { type AllowedFrontends, type Failure, refusedFrontend } from '@kiln/domain';
import type { DriverName } from './builder-options.ts';

/** Directives stand at the top; a Dockerfile in JSON has to be read whole. */
const MAX_HEAD_BYTES = 1024 * 1024;
/** The first BuildKit that keeps to `allowedRepositories` itself. */
const ENFORCED_SINCE = [0, 14] as const;

/** Whether a builder of Kiln's refuses frontends by its own configuration. The engine's BuildKit has no such setting. */
export function enforcesFrontends(driver: DriverName, version: string | undefined): boolean {
  const [major, minor] = (/^(\d+)\.(\d+)\./.exec(version ?? '') ?? []).slice(1).map(Number);
  if (driver !== 'docker-container' || major === undefined || minor === undefined) return false;
  return major > ENFORCED_SINCE[0] || minor >= ENFORCED_SINCE[1];
}

/** Why a build isn't run for the frontend that it, or its Dockerfile, names; undefined where that is none, or an allowed one. */
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

/** As much of a Dockerfile as tells which frontend it names; undefined where that can't be told. */
export async function dockerfileHead(path: string): Promise<string | undefined> {
  await using file = await open(path);
  const { size } = await file.stat();
  const { buffer, bytesRead } = await file.read(Buffer.alloc(Math.min(size, MAX_HEAD_BYTES)), 0, null, 0);
  const text = buffer.subarray(0, bytesRead).toString();
  return bytesRead < size && text.trimStart().startsWith('{') ? undefined : text;
}
