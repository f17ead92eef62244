import { holds, type Principal, type Scope } from './principal.ts';

/** Who may come in by a route. `teams` says what they then see of it. */
export type RouteAccess =
  /** No credential is needed. */
  | { readonly who: 'anyone' }
  /** Any valid credential will do, a worker's too. */
  | { readonly who: 'known' }
  /** Users who hold one of `scopes`; `workers`: and workers. */
  | {
      readonly who: 'users';
      readonly scopes: readonly [Scope, ...Scope[]];
      readonly workers?: true;
      readonly teams: TeamReach;
      /**
       * By a route that changes something: untrusted credentials may use it, on what is untrusted, which the route's handler checks.
       * Without it they are refused, whatever their scopes.
       */
      readonly untrusted?: 'own';
    }
  | { readonly who: 'workers' };

/**
 * What a team's own principals reach by a route. `build`: it names a build, and those of other teams don't exist; `list`: other
 * teams' are left out; `request`: it may name a team, which must be their own; `context`: contexts that their team has uploaded;
 * `own`: it names something else of a team's, and those of other teams don't exist; `pool`: what is no team's.
 */
export type TeamReach = 'build' | 'list' | 'request' | 'context' | 'own' | 'pool';

export type AccessDecision =
  | 'allowed'
  /** Nothing is known of who asks. */
  | 'unknown'
  /** A user, where only workers may. */
  | 'workers_only'
  /** A worker, where only users may. */
  | 'users_only'
  | 'scope_missing'
  /** An untrusted credential, where the route changes what trusted work rests on. */
  | 'untrusted';

/**
 * Whether `principal` may come in by a route, and by one that `changes` something. Which builds it then finds is a matter of its team.
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
