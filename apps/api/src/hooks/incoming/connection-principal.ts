import type { Principal, Trust } from '@kiln/domain';
import type { StoredConnection } from '@kiln/state';

/** On whose behalf webhooks of a connection build. */
export function connectionPrincipal({ name, team }: Pick<StoredConnection, 'name' | 'team'>, trust: Trust): Principal {
  return { kind: 'connection', id: `connection:${name}`, name, team, scopes: ['builds:write'], trust };
}
