import { changesState, type RouteDoc } from '@kiln/contracts';
import { decideAccess, type Principal } from '@kiln/domain';
import { ApiProblem } from '../http/api-problem.ts';
import { NOT_SHOWN, unauthorized } from '../http/unauthorized.ts';

/** Checks that `principal` may use a route. @throws ApiProblem `unauthorized`, `forbidden` */
export function authorize(principal: Principal, route: Pick<RouteDoc, 'access' | 'method' | 'changes'>): void {
  const { access } = route;
  switch (decideAccess(principal, access, changesState(route))) {
    case 'allowed':
      return;
    case 'unknown':
      throw unauthorized('no bearer token was sent', { isMissing: true });
    case 'workers_only':
      throw wrongKind(
        'only a worker may do this, with the join token (KILN_JOIN_TOKEN of the API; `kiln up` keeps it in the file join-token of its data directory) or another worker token',
        'Bearer followed by a worker token',
      );
    case 'users_only':
      throw wrongKind(
        'this is a worker token: it only lets a worker join, read contexts and store artifacts',
        'Bearer followed by a user’s token',
      );
    case 'scope_missing':
      throw scopeMissing(principal, access.who === 'users' ? access.scopes : []);
    case 'untrusted':
      throw new ApiProblem(
        'forbidden',
        `${principal.name} is an untrusted credential: it may only create and change untrusted builds and schedules`,
        {
          errors: [{ field: 'header Authorization', got: 'an untrusted credential', expected: 'a trusted credential' }],
        },
      );
  }
}

function wrongKind(detail: string, expected: string): ApiProblem {
  return new ApiProblem('forbidden', detail, {
    errors: [{ field: 'header Authorization', got: NOT_SHOWN, expected }],
  });
}

function scopeMissing({ name, scopes }: Principal, needed: readonly string[]): ApiProblem {
  const wanted = needed.join(' or ');
  const held = scopes.join(', ') || 'no scopes';
  return new ApiProblem('forbidden', `this needs the scope ${wanted}; ${name} has ${held}`, {
    errors: [{ field: 'scope', got: held, expected: wanted }],
    headers: { 'WWW-Authenticate': `Bearer realm="kiln", error="insufficient_scope", scope="${needed[0] ?? ''}"` },
  });
}
