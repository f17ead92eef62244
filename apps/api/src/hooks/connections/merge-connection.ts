import { type connectionRequest, forgeAddresses } from '@kiln/contracts';
import type { ConnectionSecrets, StoredConnection } from '@kiln/state';
import type { z } from 'zod';
import { type ApiProblem, fieldProblem } from '../../http/api-problem.ts';

export interface Merged {
  readonly connection: StoredConnection;
  /** Made up just now: to be shown. */
  readonly newSecret?: string;
}

/**
 * What a request makes of the connection that was there before. Secrets that it leaves out are kept; but where they would go to
 * another server than before they have to be given again: else whoever may set a connection up could read them.
 * @throws ApiProblem `invalid_request`
 */
export function mergeConnection(
  name: string,
  request: z.output<typeof connectionRequest>,
  before: StoredConnection | undefined,
  now: number,
  makeSecret: () => string,
): Merged {
  const { forge, team, repositories, checks, gitUser, webhookSecret, apiToken, gitToken } = request;
  const { url, apiUrl } = forgeAddresses(forge, request);
  const kept = before?.secrets;
  if (apiToken === undefined && kept?.api !== undefined && !isSameServer(before?.apiUrl, apiUrl)) {
    throw giveAgain('apiToken', apiUrl);
  }
  const servers = [url, ...cloneServers(repositories)];
  const known = before ? [before.url, ...cloneServers(before.repositories)] : [];
  const isNew = servers.some((one) => !known.some((other) => isSameServer(other, one)));
  if (gitToken === undefined && kept?.git !== undefined && isNew) throw giveAgain('gitToken', servers.join(', '));
  const newSecret = webhookSecret === undefined && !kept ? makeSecret() : undefined;
  const api = apiToken === undefined ? kept?.api : (apiToken ?? undefined);
  const git = gitToken === undefined ? kept?.git : (gitToken ?? undefined);
  const secrets: ConnectionSecrets = {
    webhook: webhookSecret ?? kept?.webhook ?? newSecret ?? '',
    ...(api !== undefined && { api }),
    ...(git !== undefined && { git }),
  };
  return {
    connection: {
      ...{ name, forge, team, url, apiUrl, repositories, checks, gitUser, secrets },
      createdAt: before?.createdAt ?? now,
      updatedAt: now,
    },
    ...(newSecret !== undefined && { newSecret }),
  };
}

function cloneServers(repositories: StoredConnection['repositories']): string[] {
  return repositories.flatMap(({ cloneUrl }) => (cloneUrl === undefined ? [] : [cloneUrl]));
}

function isSameServer(a: string | undefined, b: string): boolean {
  return a !== undefined && new URL(a).origin === new URL(b).origin;
}

function giveAgain(field: string, servers: string): ApiProblem {
  return fieldProblem(
    'invalid_request',
    field,
    'nothing',
    `the token for ${servers}, or null: it goes to another server`,
  );
}
