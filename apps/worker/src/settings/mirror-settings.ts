import { join } from 'node:path';
import { wholeNumber } from '@kiln/runtime';
import type { z } from 'zod';
import type { GitMirrorsOptions } from '../attempt/git-mirrors.ts';

const DEFAULT_BUDGET_BYTES = 10 * 1024 ** 3;

/** Environment variables for git mirrors, the same for `kiln up` and a separate worker. */
export const mirrorEnv = {
  KILN_GIT_MIRROR_BUDGET_BYTES: wholeNumber(0, DEFAULT_BUDGET_BYTES).describe(
    'most that the host’s mirrors of git repositories take on its disk; 0: no mirrors, BuildKit checks out every commit as a whole',
  ),
};

/** Returns where the mirrors are; undefined if the host keeps none. @param dataDir directory for the worker's own files */
export function mirrorSettings(
  {
    KILN_GIT_MIRROR_BUDGET_BYTES: budgetBytes,
  }: { readonly [K in keyof typeof mirrorEnv]: z.output<(typeof mirrorEnv)[K]> },
  dataDir: string,
): { readonly gitMirrors?: GitMirrorsOptions } {
  return budgetBytes === 0 ? {} : { gitMirrors: { dir: join(dataDir, 'mirrors'), budgetBytes } };
}
