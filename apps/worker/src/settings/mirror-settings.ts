import { mkdir, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { wholeNumber } from '@kiln/runtime';
import type { GitMirrorsOptions } from '../attempt/git-mirrors.ts';

/** A part of the disk. */
const DEFAULT_SHARE = 1 / 20;

/** Environment variables for git mirrors, the same for `kiln up` and a separate worker. */
export const mirrorEnv = {
  KILN_GIT_MIRROR_BUDGET_BYTES: wholeNumber(0, 0).describe(
    'limit of the host’s mirrors of git repositories; 0: a twentieth of the disk ([hosts.md](hosts.md#working-trees))',
  ),
};

/** Returns where the mirrors are, and their budget. @param dataDir directory for the worker's own files */
export async function mirrorSettings(
  { KILN_GIT_MIRROR_BUDGET_BYTES: budget }: { readonly KILN_GIT_MIRROR_BUDGET_BYTES: number },
  dataDir: string,
): Promise<GitMirrorsOptions> {
  const dir = join(dataDir, 'mirrors');
  await mkdir(dir, { recursive: true, mode: 0o700 });
  if (budget > 0) return { dir, budgetBytes: budget };
  const { blocks, bsize } = await statfs(dir);
  return { dir, budgetBytes: Math.floor(blocks * bsize * DEFAULT_SHARE) };
}
