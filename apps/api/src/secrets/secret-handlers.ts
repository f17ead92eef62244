import {
  type OperationId,
  type SecretOrder,
  type SecretView,
  secretOrder,
  secretQuery,
  secretsQuery,
} from '@kiln/contracts';
import { ALL_TEAMS, type Principal, repoOrigin, type SecretIdentity, teamFor } from '@kiln/domain';
import type { Resealer, SecretContent, SecretStore, StoredSecret } from '@kiln/state';
import type { Handler } from '../access/call.ts';
import type { ApiConfig } from '../config.ts';
import { instant, sendJson } from '../http/answer.ts';
import { ApiProblem, codeOf, fieldProblem, parsed } from '../http/api-problem.ts';
import { within } from '../http/deadline.ts';
import { jsonBody } from '../http/json-body.ts';
import { viewResealing } from './reseal.ts';

type SecretOperation = Extract<OperationId, 'setSecret' | 'listSecrets' | 'removeSecret' | 'resealSecrets'>;

/** The routes of stored secrets. */
export function secretHandlers(
  config: ApiConfig,
  {
    secrets,
    resealer,
  }: {
    readonly secrets: Pick<SecretStore, 'set' | 'list' | 'remove' | 'isReadable'>;
    readonly resealer: Pick<Resealer, 'run'>;
  },
): Record<SecretOperation, Handler> {
  const stored = <T>(work: Promise<T>) => within(config.storeTimeoutMs, work);
  const view = (secret: StoredSecret) => viewSecret(secret, secrets.isReadable(secret));

  return {
    async setSecret(request, response, { principal, note }) {
      const order = parsedOrder(await jsonBody(request, config.maxJsonBytes));
      const identity = identityOf({ ...order, name: order.kind === 'build' ? order.name : order.host }, principal);
      note(noteOf(identity, { untrustedOk: String(order.untrustedOk) }));
      const { untrustedOk } = order;
      const content = contentOf(order);
      const { secret, isNew } = await stored(
        secrets.set({ ...identity, untrustedOk, content, updatedBy: principal.name }).catch((error: unknown) => {
          throw codeOf(error) === 'too_many_secrets' ? tooMany(identity.team, error) : error;
        }),
      );
      sendJson(response, isNew ? 201 : 200, view(secret));
    },

    async listSecrets(request, response, { principal }) {
      const query = parsed(secretsQuery, request.query, 'query ');
      const isOfAll = principal.team === ALL_TEAMS && query.team === undefined;
      const all = await stored(secrets.list(isOfAll ? undefined : ownTeam(query.team, principal)));
      const repo = query.repo === undefined ? undefined : repoOrigin(query.repo);
      const shown = repo === undefined ? all : all.filter((secret) => secret.repo === repo);
      sendJson(response, 200, { secrets: shown.map(view) });
    },

    async removeSecret(request, response, { principal, note }) {
      const identity = identityOf(parsed(secretQuery, request.query, 'query '), principal, 'query team');
      note(noteOf(identity));
      const removed = await stored(secrets.remove(identity));
      if (!removed) {
        const { team, repo, name } = identity;
        const whose = repo === undefined ? `of team ${team} for all its repos` : `of team ${team} for repo ${repo}`;
        throw fieldProblem('secret_not_found', 'query name', JSON.stringify(name), `the name of a secret ${whose}`);
      }
      sendJson(response, 200, view(removed));
    },

    async resealSecrets(_request, response, { note }) {
      const report = viewResealing(await resealer.run({ isThorough: true }));
      const { keyId, stored: kept, builds } = report;
      const unreadable = kept.unreadable.length + builds.unreadable;
      note({ details: { keyId, resealed: String(kept.resealed + builds.resealed), unreadable: String(unreadable) } });
      sendJson(response, 200, report);
    },
  };
}

/** Fields of an order whose values aren't secret and may be shown in a problem. */
const SHOWN = new Set(['kind', 'name', 'host', 'team', 'repo', 'untrustedOk']);

/** Parses an order. @throws ApiProblem `invalid_request`, which quotes no secret value */
function parsedOrder(body: unknown): SecretOrder {
  try {
    return parsed(secretOrder, body);
  } catch (error) {
    if (!(error instanceof ApiProblem)) throw error;
    const errors = error.errors.map((one) =>
      SHOWN.has(one.field) || one.got === 'nothing' ? one : { ...one, got: 'a value that is not shown' },
    );
    throw new ApiProblem(error.code, error.message, { errors });
  }
}

function contentOf(order: SecretOrder): SecretContent {
  switch (order.kind) {
    case 'build':
      return { kind: order.kind, value: order.value };
    case 'registry':
      return { kind: order.kind, username: order.username, password: order.password };
    case 'git':
      return {
        kind: order.kind,
        token: order.token,
        ...(order.username !== undefined && { username: order.username }),
      };
  }
}

interface Asked {
  readonly kind: SecretIdentity['kind'];
  readonly name: string;
  readonly team?: string | undefined;
  readonly repo?: string | undefined;
}

function identityOf({ kind, name, team, repo }: Asked, principal: Principal, field = 'team'): SecretIdentity {
  return {
    team: ownTeam(team, principal, field),
    ...(repo !== undefined && { repo: repoOrigin(repo) }),
    ...{ kind, name: kind === 'registry' ? registryHost(name) : name },
  };
}

/** The team of the request. @throws ApiProblem `forbidden` if it isn't the principal's own */
function ownTeam(asked: string | undefined, principal: Principal, field = 'query team'): string {
  const team = teamFor(principal, asked);
  if (team !== undefined) return team;
  throw fieldProblem('forbidden', field, JSON.stringify(asked), `${principal.team}, the team of ${principal.name}`);
}

/** Maps other names of Docker Hub to the one in image references. */
function registryHost(host: string): string {
  return host === 'index.docker.io' || host === 'registry-1.docker.io' ? 'docker.io' : host;
}

function noteOf({ team, repo, kind, name }: SecretIdentity, more: Readonly<Record<string, string>> = {}) {
  return { target: name, details: { team, kind, ...(repo !== undefined && { repo }), ...more } };
}

function tooMany(team: string, error: unknown): ApiProblem {
  const most = String((error as { readonly most?: unknown }).most);
  return fieldProblem(
    'too_many_secrets',
    'team',
    `one more secret; team ${team} has ${most}`,
    `at most ${most} secrets in a team`,
  );
}

function viewSecret(secret: StoredSecret, readable: boolean): SecretView {
  const { team, repo, kind, name, untrustedOk, masked, keyId, updatedAt, updatedBy, usedAt } = secret;
  return {
    ...{ team, ...(repo !== undefined && { repo }), kind, name, untrustedOk, masked, keyId, readable },
    ...{ updatedAt: instant(updatedAt), updatedBy },
    ...(usedAt !== undefined && { lastUsedAt: instant(usedAt) }),
  };
}
