import { randomBytes } from 'node:crypto';
import { connectionName, connectionRequest, type OperationId } from '@kiln/contracts';
import { trimEnd } from '@kiln/domain';
import type { Request } from 'express';
import type { Handler } from '../../access/call.ts';
import type { ApiConfig } from '../../config.ts';
import { sendJson } from '../../http/answer.ts';
import { type ApiProblem, fieldProblem, parameter, parsed } from '../../http/api-problem.ts';
import { within } from '../../http/deadline.ts';
import { jsonBody } from '../../http/json-body.ts';
import type { HookDeps } from '../ports.ts';
import { viewConnection } from './connection-view.ts';
import { mergeConnection } from './merge-connection.ts';

type ConnectionOperation = Extract<OperationId, `${string}Connection` | 'listConnections'>;

const SECRET_BYTES = 32;

/** The routes by which operators connect forges. */
export function connectionHandlers(
  config: ApiConfig,
  { connections, now }: Pick<HookDeps, 'connections'> & { readonly now: () => number },
): Record<ConnectionOperation, Handler> {
  const stored = <T>(work: Promise<T>) => within(config.storeTimeoutMs, work);
  const nameOf = (request: Request) => parameter(connectionName, 'name', request.params.name);
  // Where nobody has said how Kiln is reached from outside, it is as whoever asks has reached it.
  const baseOf = (request: Request) => trimEnd(config.publicUrl, '/') || `${request.protocol}://${request.host}`;
  const found = async (name: string) => {
    const connection = await stored(connections.get(name));
    if (!connection) throw connectionNotFound(name);
    return connection;
  };

  return {
    async listConnections(request, response) {
      const all = await stored(connections.list());
      sendJson(response, 200, { connections: all.map((one) => viewConnection(one, baseOf(request))) });
    },

    async getConnection(request, response) {
      sendJson(response, 200, viewConnection(await found(nameOf(request)), baseOf(request)));
    },

    async putConnection(request, response, { note }) {
      const name = nameOf(request);
      const asked = parsed(connectionRequest, await jsonBody(request, config.maxJsonBytes));
      const before = await stored(connections.get(name));
      const makeSecret = () => randomBytes(SECRET_BYTES).toString('base64url');
      const { connection, newSecret } = mergeConnection(name, asked, before, now(), makeSecret);
      await stored(connections.put(connection));
      const { forge, team, url, repositories } = connection;
      const matches = repositories.flatMap(({ match }) => match).join(' ');
      note({ details: { forge, team, url, repositories: matches.slice(0, 500) } });
      response.setHeader('Cache-Control', 'no-store');
      sendJson(response, before ? 200 : 201, {
        ...viewConnection(connection, baseOf(request)),
        ...(newSecret !== undefined && { webhookSecret: newSecret }),
      });
    },

    async deleteConnection(request, response) {
      const connection = await found(nameOf(request));
      await stored(connections.remove(connection.name));
      sendJson(response, 200, viewConnection(connection, baseOf(request)));
    },
  };
}

export function connectionNotFound(name: string): ApiProblem {
  return fieldProblem('connection_not_found', 'name', name, 'the name of a connection');
}
