import { spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';
import { UsageError } from '../../io/errors.ts';
import type { Io } from '../../io/output.ts';

/** What `docker buildx bake --print` prints. The values of a target's keys depend on the version of buildx. */
export interface BakeDefinition {
  readonly group?: Readonly<Record<string, { readonly targets: readonly string[] }>>;
  readonly target: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
}

/** buildx as a plugin of docker, and by itself. */
const PROGRAMS = [['docker', 'buildx'], ['docker-buildx']] as const;
/**
 * Evaluates bake files with this machine's buildx, which knows their language and its own defaults. Returns undefined if this machine has none.
 * @param args arguments of `docker buildx bake` @throws UsageError with what buildx found wrong
 */
export async function evaluateBake(args: readonly string[], io: Pick<Io, 'cwd' | 'env'>): Promise<string | undefined> {
  for (const [program, ...before] of PROGRAMS) {
    const ran = await run(program, [...before, 'bake', '--print', ...args], io);
    if (!ran || (ran.code !== 0 && /is not a docker command|unknown command: docker buildx/.test(ran.stderr))) continue;
    if (ran.code !== 0) throw new UsageError(faultOf(ran.stderr));
    return ran.stdout;
  }
  return undefined;
}

/** @returns undefined if there is no such program */
async function run(
  program: string,
  args: readonly string[],
  { cwd, env }: Pick<Io, 'cwd' | 'env'>,
): Promise<{ code: number | null; stdout: string; stderr: string } | undefined> {
  const child = spawn(program, args, {
    ...{ cwd, env: { ...env } },
    stdio: [args.some(readsStdin) ? 'inherit' : 'ignore', 'pipe', 'pipe'],
  });
  const exited = new Promise<number | null>((resolve, reject) => {
    child.once('error', reject).once('close', resolve);
  });
  try {
    const [stdout, stderr, code] = await Promise.all([text(child.stdout), text(child.stderr), exited]);
    return { code, stdout, stderr };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

function readsStdin(arg: string): boolean {
  return arg === '--file=-';
}

/** Leaves out the progress of reading the files. */
function faultOf(stderr: string): string {
  const lines = stderr.split('\n').filter((line) => line !== '' && !/^#\d+ /.test(line));
  return lines.join('\n').replace(/^ERROR: /m, '') || 'docker buildx bake --print failed';
}
