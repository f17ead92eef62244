import { type ModeDefaultView, modeOrder, modeQuery, type OperationId } from '@kiln/contracts';
import { type Principal, repoKey, teamFor } from '@kiln/domain';
import type { ModeDefault, ModeDefaults } from '@kiln/state';
import type { Handler } from '../access/call.ts';
import type { ApiConfig } from '../config.ts';
import { instant, sendJson } from '../http/answer.ts';
import { codeOf, fieldProblem, parsed } from '../http/api-problem.ts';
import { within } from '../http/deadline.ts';
import { jsonBody } from '../http/json-body.ts';

type ModeOperation = Extract<OperationId, 'listCacheModes' | 'setCacheMode'>;

interface ModeHandlerDeps {
  readonly modeDefaults: Pick<ModeDefaults, 'set' | 'remove' | 'list'>;
  readonly now: () => number;
}

/** The routes of the default cache modes of repos. */
export function modeHandlers(
  config: ApiConfig,
  { modeDefaults, now }: ModeHandlerDeps,
): Record<ModeOperation, Handler> {
  const stored = <T>(work: Promise<T>) => within(config.storeTimeoutMs, work);
  return {
    async listCacheModes(request, response, { principal }) {
      const query = parsed(modeQuery, request.query, 'query ');
      const team = ownTeam(query.team, principal, 'query team');
      const all = await stored(modeDefaults.list(team));
      const repo = query.repo === undefined ? undefined : nameOf(query.repo);
      const shown = repo === undefined ? all : all.filter((one) => one.repo === repo);
      sendJson(response, 200, { modes: shown.map((one) => view(team, one)) });
    },

    async setCacheMode(request, response, { principal, note }) {
      const asked = parsed(modeOrder, await jsonBody(request, config.maxJsonBytes));
      const team = ownTeam(asked.team, principal);
      const { mode } = asked;
      const repo = nameOf(asked.repo);
      note({ target: repo, details: { team, mode: mode ?? 'none' } });
      if (mode === null) {
        await stored(modeDefaults.remove(team, repo));
        return sendJson(response, 200, { team, repo });
      }
      const set: ModeDefault = { repo, mode, setAt: now(), setBy: principal.name };
      await stored(
        modeDefaults.set(team, set).catch((error: unknown) => {
          throw codeOf(error) === 'too_many_mode_defaults' ? tooMany(team, error) : error;
        }),
      );
      sendJson(response, 200, view(team, set));
    },
  };
}

/** The name of a repo as builds have it. */
function nameOf(repo: string): string {
  return repoKey({ origin: repo, dockerfile: 'Dockerfile' });
}

/** @throws ApiProblem `forbidden` if it isn't the principal's own */
function ownTeam(asked: string | undefined, principal: Principal, field = 'team'): string {
  const team = teamFor(principal, asked);
  if (team !== undefined) return team;
  throw fieldProblem('forbidden', field, JSON.stringify(asked), `${principal.team}, the team of ${principal.name}`);
}

function tooMany(team: string, error: unknown) {
  const most = String((error as { readonly most?: unknown }).most);
  const got = `one more repo; team ${team} has ${most} with a default cache mode`;
  return fieldProblem('invalid_request', 'repo', got, `at most ${most} repos of a team`);
}

function view(team: string, { repo, mode, setAt, setBy }: ModeDefault): ModeDefaultView {
  return { team, repo, mode, setAt: instant(setAt), setBy };
}
