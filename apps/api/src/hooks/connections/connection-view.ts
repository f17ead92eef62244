import type { ConnectionView } from '@kiln/contracts';
import type { StoredConnection } from '@kiln/state';
import { instant } from '../../http/answer.ts';

/** A connection as admins see it: its secrets aren't there. `base`: the API's address. */
export function viewConnection({ secrets, ...connection }: StoredConnection, base: string): ConnectionView {
  const { name, forge, createdAt, updatedAt, repositories } = connection;
  return {
    ...connection,
    repositories: [...repositories],
    hasApiToken: secrets.api !== undefined,
    hasGitToken: secrets.git !== undefined,
    hookUrl: `${base}/v1/hooks/${forge}/${name}`,
    createdAt: instant(createdAt),
    updatedAt: instant(updatedAt),
  };
}
