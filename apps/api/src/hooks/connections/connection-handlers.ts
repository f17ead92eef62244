import { randomBytes } from 'node:crypto';
import { connectionName, connectionRequest, connectionSecretRotation, type OperationId } from '@kiln/contracts';
import { trimEnd } from '@kiln/domain';
import { isStandardSecret } from '@kiln/forges';
import type { StoredConnection } from '@kiln/state';
import type { Request } from 'express';
import type { Handler } from '../../access/call.ts';
import type { ApiConfig } from '../../config.ts';
import { sendJson } from '../../http/answer.ts';
import { type ApiProblem, fieldProblem, parameter, parsed } from '../../http/api-problem.ts';
import { within } from '../../http/deadline.ts';
import { jsonBody } from '../../http/json-body.ts';
import type { HookDeps } from '../ports.ts';
import { outgoingSecret } from '../valid-secrets.ts';
import { viewConnection } from './connection-view.ts';
import { mergeConnection } from './merge-connection.ts';

type ConnectionOperation = Extract<OperationId, `${string}Connection` | 'listConnections' | 'rotateConnectionSecret'>;

const SECRET_BYTES = 32;

/** The routes with which operators connect forges. */
export function connectionHandlers(
  config: ApiConfig,
  { connections, now }: Pick<HookDeps, 'connections'> & { readonly now: () => number },
): Record<ConnectionOperation, Handler> {
  const stored = <T>(work: Promise<T>) => within(config.storeTimeoutMs, work);
  const nameOf = (request: Request) => parameter(connectionName, 'name', request.params.name);
  // Without a configured address, assume that forges reach Kiln at the address that the caller used.
  const baseOf = (request: Request) => trimEnd(config.publicUrl, '/') || `${request.protocol}://${request.host}`;
  const view = (connection: StoredConnection, request: Request) => viewConnection(connection, baseOf(request), now());
  const found = async (name: string) => {
    const connection = await stored(connections.get(name));
    if (!connection) throw connectionNotFound(name);
    return connection;
  };

  return {
    async listConnections(request, response) {
      const all = await stored(connections.list());
      sendJson(response, 200, { connections: all.map((one) => view(one, request)) });
    },

    async getConnection(request, response) {
      sendJson(response, 200, view(await found(nameOf(request)), request));
    },

    async putConnection(request, response, { note }) {
      const name = nameOf(request);
      const asked = parsed(connectionRequest, await jsonBody(request, config.maxJsonBytes));
      const before = await stored(connections.get(name));
      const { connection, newSecret } = mergeConnection(name, asked, before, now(), makeSecret);
      await stored(connections.put(connection));
      const { forge, team, url, repositories } = connection;
      const matches = repositories.flatMap(({ match }) => match).join(' ');
      note({ details: { forge, team, url, repositories: matches.slice(0, 500) } });
      response.setHeader('Cache-Control', 'no-store');
      sendJson(response, before ? 200 : 201, {
        ...view(connection, request),
        ...(newSecret !== undefined && { webhookSecret: newSecret }),
      });
    },

    async rotateConnectionSecret(request, response, { note }) {
      const connection = await found(nameOf(request));
      const asked = parsed(connectionSecretRotation, await jsonBody(request, config.maxJsonBytes));
      const { previousWebhook: _, webhook: current, ...tokens } = connection.secrets;
      if (asked.webhookSecret === current) {
        throw fieldProblem('invalid_request', 'webhookSecret', 'the current secret', 'another one');
      }
      const nowMs = now();
      const made = asked.webhookSecret === undefined ? makeSecret(isStandardSecret(current)) : undefined;
      const previousWebhook = outgoingSecret(current, asked.overlapSeconds, nowMs);
      const secrets = {
        ...{ ...tokens, webhook: asked.webhookSecret ?? made ?? '' },
        ...(previousWebhook && { previousWebhook }),
      };
      const rotated: StoredConnection = { ...connection, secrets, updatedAt: nowMs };
      await stored(connections.put(rotated));
      note({ details: { overlapSeconds: String(asked.overlapSeconds) } });
      response.setHeader('Cache-Control', 'no-store');
      sendJson(response, 200, { ...view(rotated, request), ...(made !== undefined && { webhookSecret: made }) });
    },

    async deleteConnection(request, response) {
      const connection = await found(nameOf(request));
      await stored(connections.remove(connection.name));
      sendJson(response, 200, view(connection, request));
    },
  };
}

/** `isStandard`: in the form of Standard Webhooks, for GitLab's signing tokens. */
function makeSecret(isStandard = false): string {
  const bytes = randomBytes(SECRET_BYTES);
  return isStandard ? `whsec_${bytes.toString('base64')}` : bytes.toString('base64url');
}

export function connectionNotFound(name: string): ApiProblem {
  return fieldProblem('connection_not_found', 'name', name, 'the name of a connection');
}
