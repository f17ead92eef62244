import { type BuildSpec, secretRepoOf, storedSecretsOf } from '@kiln/contracts';
import type { Trust } from '@kiln/domain';
import type { BuildSecretReader } from '@kiln/state';
import { ApiProblem } from '../http/api-problem.ts';

/**
 * Checks early that the secrets that a build names exist, so that it needn't wait for a host to fail. They are read when the build starts,
 * and may be missing by then.
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
        ? `a secret of repo ${repo} or team ${team}; create it with kiln secret set ${ref.name}`
        : 'a secret that untrusted builds may have, since the build is untrusted',
  }));
  const code = refused.some(({ why }) => why === 'withheld') ? 'forbidden' : 'secret_missing';
  const more = errors.length > 1 ? ` (and ${errors.length - 1} more)` : '';
  throw new ApiProblem(code, `${errors[0]?.field}: expected ${errors[0]?.expected}${more}`, { errors });
}
