import { type BuildSpec, outputsOf, type SingleOutput } from '@kiln/contracts';
import type { Halt } from '../outcome/halt.ts';
import type { BroughtTree } from '../trees/working-tree.ts';
import type { RunFiles } from './run-files.ts';
import type { RunHost } from './run-host.ts';
import type { ContextSource, RunRequest } from './run-request.ts';
import { bringTree } from './tree-context.ts';

type GitSource = Extract<ContextSource, { readonly type: 'git' }>;

/** With it BuildKit leaves `.git` in the context (moby/buildkit, frontend/dockerui). */
const KEEP_GIT_DIR = 'BUILDKIT_CONTEXT_KEEP_GIT_DIR';

/**
 * Brings a working tree to a commit. Returns undefined, and says why, if BuildKit has to check the commit out itself.
 * @throws ContextUnusable @throws the signal's reason
 */
export async function bringCommit(
  host: RunHost,
  request: RunRequest,
  source: GitSource,
  files: RunFiles,
  halt: Halt,
  note: (message: string) => Promise<void>,
): Promise<BroughtTree | undefined> {
  const { spec, trust = 'trusted', domain = trust } = request;
  if (!source.checkOut || !host.trees) return undefined;
  const why = needsBuildkit(spec, host.attests);
  const checkout = why === undefined ? await source.checkOut(domain, halt.signal) : { instead: why };
  if ('instead' in checkout) {
    await note(`BuildKit checks the commit out itself, as a whole: ${checkout.instead}`);
    return undefined;
  }
  await using _ = checkout;
  const { tree, dockerfile } = checkout;
  // BuildKit applies no ignore file to a repository.
  return await bringTree(host.trees, request, { tree, times: undefined, dockerfile, ignores: false }, files, halt);
}

/** Returns why a build needs BuildKit's own checkout: it says something else of the commit, or has more than its files. */
export function needsBuildkit(
  { buildArgs, mtimes, output, provenance }: Pick<BuildSpec, 'buildArgs' | 'mtimes' | 'output' | 'provenance'>,
  attests: boolean,
): string | undefined {
  if (mtimes === 'submitted') return 'mtimes is submitted, so all files have the time of the checkout';
  if (Object.hasOwn(buildArgs, KEEP_GIT_DIR)) return `the build argument ${KEEP_GIT_DIR} is set`;
  const isAsked = provenance !== undefined && provenance !== false && provenance !== 'false';
  const isDefault = provenance === undefined && attests && outputsOf(output).some(isAttested);
  if (isAsked || isDefault)
    return 'the image’s provenance names the repository and the commit; build with provenance false to send only what changed';
  return undefined;
}

/** Whether BuildKit adds provenance by default: to images, but not to files or docker archives. */
function isAttested(output: SingleOutput): boolean {
  return output.type !== 'artifact' || output.format === 'oci';
}
