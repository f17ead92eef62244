import { type BuildSpec, secretRepoOf, storedSecretsOf } from '@kiln/contracts';
import type { Trust } from '@kiln/domain';
import type { BuildSecretReader } from '@kiln/state';
import { ApiProblem } from '../http/api-problem.ts';

/**
 * What is missing already needn't wait for a host to fail. What is there now is read when the build starts, and may be gone by then.
 * @throws ApiProblem `secret_missing`, `forbidden`
 */
export async function requireSecrets(
  request: Pick<BuildSpec, 'storedSecrets' | 'source' | 'team'>,
  trust: Trust,
  secrets: Pick<BuildSecretReader, 'refusals'>,
): Promise<void> {
  const named = storedSecretsOf(request);
  const repo = secretRepoOf(request);
  const { team } = request;
  const refused = await secrets.refusals({ team, repo, trust, named });
  if (refused.length === 0) return;
  const errors = refused.map(({ ref, why }) => ({
    field: `storedSecrets[${named.findIndex(({ id }) => id === ref.id)}]`,
    got: JSON.stringify(ref.name),
    expected:
      why === 'missing'
        ? `a secret of repo ${repo} or team ${team}; kiln secret set ${ref.name} makes one`
        : 'a secret that untrusted builds may have: the build is untrusted',
  }));
  const code = refused.some(({ why }) => why === 'withheld') ? 'forbidden' : 'secret_missing';
  const more = errors.length > 1 ? ` (and ${errors.length - 1} more)` : '';
  throw new ApiProblem(code, `${errors[0]?.field}: expected ${errors[0]?.expected}${more}`, { errors });
}
