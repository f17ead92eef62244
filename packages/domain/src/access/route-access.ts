import { holds, type Principal, type Scope } from './principal.ts';

/** Who may use a route. `teams` says what of it they then see. */
export type RouteAccess =
  /** No credential is needed. */
  | { readonly who: 'anyone' }
  /** Any valid credential is enough, also a worker's. */
  | { readonly who: 'known' }
  /** Users with one of `scopes`, and with `workers` also workers. */
  | {
      readonly who: 'users';
      readonly scopes: readonly [Scope, ...Scope[]];
      readonly workers?: true;
      readonly teams: TeamReach;
      /**
       * Lets untrusted credentials use a route that changes something, for untrusted builds only, which the route's handler checks.
       * Without it they are refused, whatever their scopes.
       */
      readonly untrusted?: 'own';
    }
  | { readonly who: 'workers' };

/**
 * What the principals of one team can reach by a route. `build`: it names a build, and other teams' builds are not found; `list`: other
 * teams' items are omitted; `request`: it may name a team, which must be their own; `context`: contexts that their team has uploaded;
 * `own`: it names something else that belongs to a team, and other teams' are not found; `pool`: what belongs to no team.
 */
export type TeamReach = 'build' | 'list' | 'request' | 'context' | 'own' | 'pool';

export type AccessDecision =
  | 'allowed'
  /** The caller isn't authenticated. */
  | 'unknown'
  /** The caller is a user, and only workers may. */
  | 'workers_only'
  /** The caller is a worker, and only users may. */
  | 'users_only'
  | 'scope_missing'
  /** The credential is untrusted, and the route changes something that trusted builds depend on. */
  | 'untrusted';

/**
 * Decides whether a principal may use a route. Which builds it then finds depends on its team.
 * @param changes whether the route changes something
 */
export function decideAccess(principal: Principal, access: RouteAccess, changes: boolean): AccessDecision {
  if (access.who === 'anyone') return 'allowed';
  if (principal.kind === 'anonymous') return 'unknown';
  if (access.who === 'known') return 'allowed';
  const isWorker = principal.kind === 'worker';
  if (access.who === 'workers') return isWorker ? 'allowed' : 'workers_only';
  if (isWorker) return access.workers ? 'allowed' : 'users_only';
  if (!access.scopes.some((scope) => holds(principal, scope))) return 'scope_missing';
  return changes && principal.trust === 'untrusted' && access.untrusted !== 'own' ? 'untrusted' : 'allowed';
}
