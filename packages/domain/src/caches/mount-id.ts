import type { CacheScope } from '../warmth/cache-scope.ts';

/** The parts of a cache mount's id, `<namespace>/<name>`. */
export interface MountIdParts {
  readonly namespace: string;
  /** The mount's target, or the id that the Dockerfile gives it. */
  readonly name: string;
  /** Whose builds share the mount. */
  readonly scope: CacheScope;
  /** Only with scope `team`. */
  readonly team?: string;
}

const TEAM = 'team-';

/** Parses the id of a cache mount as inventories have it. */
export function readMountId(id: string): MountIdParts {
  const at = id.indexOf('/');
  const namespace = at < 0 ? '' : id.slice(0, at);
  const name = id.slice(at + 1);
  if (namespace === 'pool') return { namespace, name, scope: 'pool' };
  if (namespace.startsWith(TEAM)) return { namespace, name, scope: 'team', team: namespace.slice(TEAM.length) };
  return { namespace, name, scope: 'repo' };
}
