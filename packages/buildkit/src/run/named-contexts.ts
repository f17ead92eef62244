import type { Outcome } from '@kiln/domain';
import type { Halt } from '../outcome/halt.ts';
import { neverStarted } from '../outcome/outcome.ts';
import { ContextUnusable } from './context-dir.ts';
import type { RunFiles } from './run-files.ts';
import type { RunRequest } from './run-request.ts';
import { bringNamed, treeTar } from './tree-context.ts';

/**
 * Brings the uploaded directories that a build names as further contexts to the host, with the times that were sent with them: as working trees beside that of the main context, if it
 * has one, else unpacked for this run. Returns their absolute paths by name, or
 * the build's outcome if one can't be used, or the build was stopped meanwhile.
 * @param first number of the first one among all of the run
 */
export async function namedContextDirs(
  { contexts = [], spec }: Pick<RunRequest, 'contexts' | 'spec'>,
  files: RunFiles,
  halt: Halt,
  first = 0,
): Promise<ReadonlyMap<string, string> | Outcome> {
  const dirs = new Map<string, string>();
  try {
    for (const [at, { name, open, times }] of contexts.entries()) {
      const i = first + at;
      await using tree = open(`${files.contentsFile}-${i}`);
      const { signal } = halt;
      // buildx writes into an OCI layout, so that one is the run's own.
      if (files.tree && spec.buildContexts?.[name]?.type === 'upload') {
        dirs.set(name, await bringNamed(files.tree, name, { source: tree, times }, signal));
        continue;
      }
      const tar = await treeTar(tree, { times }, halt.signal);
      dirs.set(name, await files.unpackNamedContext(tar, i, halt.signal));
    }
    return dirs;
  } catch (error) {
    if (halt.reason?.type === 'stop') return neverStarted(halt.reason.cause, spec);
    if (error instanceof ContextUnusable) return { end: 'failed', failure: error.failure };
    throw error;
  }
}
