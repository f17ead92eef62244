import type { Principal, Trust } from '@kiln/domain';
import { fieldProblem } from '../http/api-problem.ts';

/**
 * Refuses an untrusted principal's change to something trusted, also within its own team. `kind` names the target in the error, such
 * as `build`.
 * @throws ApiProblem `forbidden`
 */
export function requireActsOn(
  { name, trust }: Pick<Principal, 'name' | 'trust'>,
  kind: string,
  target: { readonly id: string; readonly trust?: Trust | undefined },
): void {
  if (trust === 'trusted' || target.trust === 'untrusted') return;
  const got = `${target.id}, a trusted ${kind}`;
  throw fieldProblem('forbidden', 'id', got, `an untrusted ${kind}: ${name} is an untrusted credential`);
}
