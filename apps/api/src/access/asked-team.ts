import { type Principal, seesTeam, teamFor } from '@kiln/domain';
import { fieldProblem } from '../http/api-problem.ts';

/** Returns the team that a request names, or the caller's own. @throws ApiProblem `forbidden` */
export function askedTeam(principal: Principal, asked: string | undefined): string {
  const own = teamFor(principal, asked);
  if (own !== undefined && seesTeam(principal, own)) return own;
  throw fieldProblem('forbidden', 'team', JSON.stringify(asked), `${principal.team}, the team of ${principal.name}`);
}
