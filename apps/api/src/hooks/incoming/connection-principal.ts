import type { Principal, Trust } from '@kiln/domain';
import type { StoredConnection } from '@kiln/state';

/** The principal that submits the builds of a connection. */
export function connectionPrincipal({ name, team }: Pick<StoredConnection, 'name' | 'team'>, trust: Trust): Principal {
  return { kind: 'connection', id: `connection:${name}`, name, team, scopes: ['builds:write'], trust };
}
