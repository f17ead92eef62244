import { randomBytes } from 'node:crypto';
import { type OperationId, type TokenView, tokenId, tokenRequest, type WhoamiView } from '@kiln/contracts';
import { ALL_TEAMS, formatToken, TOKEN_BYTES } from '@kiln/domain';
import type { StoredToken, TokenStore } from '@kiln/state';
import type { ApiConfig } from '../config.ts';
import { instant, sendJson } from '../http/answer.ts';
import { fieldProblem, parameter, parsed } from '../http/api-problem.ts';
import { within } from '../http/deadline.ts';
import { jsonBody } from '../http/json-body.ts';
import type { Handler } from './call.ts';

type TokenOperation = Extract<OperationId, `${string}Token` | 'listTokens' | 'whoami'>;

/** The routes of tokens, and of the caller's own identity. */
export function tokenHandlers(
  config: ApiConfig,
  { tokens, now }: { tokens: Pick<TokenStore, 'create' | 'list' | 'revoke'>; now: () => number },
): Record<TokenOperation, Handler> {
  const stored = <T>(work: Promise<T>) => within(config.storeTimeoutMs, work);

  return {
    async createToken(request, response, { principal, note }) {
      const {
        expiresInSeconds,
        team = ALL_TEAMS,
        ...asked
      } = parsed(tokenRequest, await jsonBody(request, config.maxJsonBytes));
      const token = formatToken(asked.kind, randomBytes(TOKEN_BYTES));
      const created = await stored(
        tokens.create(token, {
          ...asked,
          team,
          createdBy: principal.name,
          ...(expiresInSeconds !== null && { expiresAt: now() + expiresInSeconds * 1_000 }),
        }),
      );
      note({ target: created.id, details: tokenDetails(created) });
      response.setHeader('Cache-Control', 'no-store');
      sendJson(response, 201, { ...viewToken(created), token });
    },

    async listTokens(_request, response) {
      sendJson(response, 200, { tokens: (await stored(tokens.list())).map(viewToken) });
    },

    async revokeToken(request, response, { note }) {
      const id = parameter(tokenId, 'id', request.params.id);
      const revoked = await stored(tokens.revoke(id));
      if (!revoked) throw fieldProblem('token_not_found', 'id', id, 'the id of a token; GET /v1/tokens lists them');
      note({ details: tokenDetails(revoked) });
      sendJson(response, 200, viewToken(revoked));
    },

    async whoami(_request, response, { principal }) {
      const { kind, id, name, team, scopes, trust, expiresAt } = principal;
      const view: WhoamiView = {
        ...{ kind, id, name, team, scopes: [...scopes], trust },
        ...(expiresAt !== undefined && { expiresAt: instant(expiresAt) }),
      };
      sendJson(response, 200, view);
    },
  };
}

function tokenDetails({ kind, name, team, scopes, trust }: StoredToken): Record<string, string> {
  return { kind, name, team, scopes: scopes.join(' '), trust };
}

function viewToken({
  id,
  kind,
  name,
  team,
  scopes,
  trust,
  createdAt,
  createdBy,
  expiresAt,
  usedAt,
}: StoredToken): TokenView {
  return {
    ...{ id, kind, name, team, scopes: [...scopes], trust, createdAt: instant(createdAt), createdBy },
    ...(expiresAt !== undefined && { expiresAt: instant(expiresAt) }),
    ...(usedAt !== undefined && { lastUsedAt: instant(usedAt) }),
  };
}
