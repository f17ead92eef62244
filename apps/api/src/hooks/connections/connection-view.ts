import type { ConnectionView } from '@kiln/contracts';
import type { StoredConnection } from '@kiln/state';
import { instant } from '../../http/answer.ts';
import { isValid } from '../valid-secrets.ts';

/** A connection as admins see it, without its secrets. `base`: the API's address. */
export function viewConnection(
  { secrets, ...connection }: StoredConnection,
  base: string,
  nowMs: number,
): ConnectionView {
  const { name, forge, createdAt, updatedAt, repositories } = connection;
  const { previousWebhook } = secrets;
  return {
    ...connection,
    repositories: [...repositories],
    hasApiToken: secrets.api !== undefined,
    hasGitToken: secrets.git !== undefined,
    hookUrl: `${base}/v1/hooks/${forge}/${name}`,
    createdAt: instant(createdAt),
    updatedAt: instant(updatedAt),
    ...(secrets.app && { githubApp: { appId: secrets.app.appId } }),
    ...(previousWebhook &&
      isValid(previousWebhook, nowMs) && { previousSecretExpiresAt: instant(previousWebhook.expiresAt) }),
  };
}
