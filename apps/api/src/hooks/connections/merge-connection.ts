import { type connectionRequest, forgeAddresses } from '@kiln/contracts';
import { isAppKey } from '@kiln/forges';
import type { ConnectionSecrets, StoredConnection } from '@kiln/state';
import type { z } from 'zod';
import { type ApiProblem, fieldProblem } from '../../http/api-problem.ts';

export interface Merged {
  readonly connection: StoredConnection;
  /** A webhook secret that was just generated, to be shown once. */
  readonly newSecret?: string;
}

/**
 * Merges a request into the connection that existed before, if any. Keeps the secrets that the request leaves out. If a token would go to
 * another server than before, it has to be given again: otherwise anyone who may change a connection could have its tokens sent to
 * themselves.
 * @throws ApiProblem `invalid_request`
 */
export function mergeConnection(
  name: string,
  request: z.output<typeof connectionRequest>,
  before: StoredConnection | undefined,
  now: number,
  makeSecret: () => string,
): Merged {
  const { forge, team, repositories, checks, gitUser, webhookSecret, apiToken, gitToken, githubApp } = request;
  const { url, apiUrl } = forgeAddresses(forge, request);
  const kept = before?.secrets;
  if (apiToken === undefined && kept?.api !== undefined && !isSameServer(before?.apiUrl, apiUrl)) {
    throw giveAgain('apiToken', apiUrl);
  }
  if (githubApp && !isAppKey(githubApp.privateKey)) {
    throw fieldProblem(
      'invalid_request',
      'githubApp.privateKey',
      'a value that is not shown',
      'an RSA key in PEM format',
    );
  }
  const servers = [url, ...cloneServers(repositories)];
  const known = before ? [before.url, ...cloneServers(before.repositories)] : [];
  const isNew = servers.some((one) => !known.some((other) => isSameServer(other, one)));
  if (gitToken === undefined && kept?.git !== undefined && isNew) throw giveAgain('gitToken', servers.join(', '));
  if (githubApp === undefined && kept?.app && (isNew || !isSameServer(before?.apiUrl, apiUrl))) {
    throw giveAgain('githubApp', [apiUrl, ...servers].join(', '));
  }
  const newSecret = webhookSecret === undefined && !kept ? makeSecret() : undefined;
  const api = apiToken === undefined ? kept?.api : (apiToken ?? undefined);
  const git = gitToken === undefined ? kept?.git : (gitToken ?? undefined);
  const app = githubApp === undefined ? kept?.app : githubApp;
  // A secret that is set outright ends the previous one: it may have leaked.
  const previous = webhookSecret === undefined ? kept?.previousWebhook : undefined;
  const secrets: ConnectionSecrets = {
    webhook: webhookSecret ?? kept?.webhook ?? newSecret ?? '',
    ...(previous && { previousWebhook: previous }),
    ...(api !== undefined && { api }),
    ...(git !== undefined && { git }),
    ...(app && { app }),
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
