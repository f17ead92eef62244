import {
  type LimitList,
  type LimitView,
  limitChange,
  type OperationId,
  type OwnLimits,
  teamName,
  tokenId,
} from '@kiln/contracts';
import type { LimitSettings, LimitSubject } from '@kiln/domain';
import { type LimitStore, type StorageLedger, subjectOf, type TokenStore } from '@kiln/state';
import type { Request, Response } from 'express';
import type { Call, Handler } from '../access/call.ts';
import type { ApiConfig } from '../config.ts';
import { sendJson } from '../http/answer.ts';
import { fieldProblem, parameter, parsed } from '../http/api-problem.ts';
import { within } from '../http/deadline.ts';
import { jsonBody } from '../http/json-body.ts';
import { credentialSubject, type LimitBook, teamSubject } from './limit-book.ts';

type LimitOperation = Extract<OperationId, `${string}Limits`>;

export interface LimitHandlerDeps {
  readonly limits: Pick<LimitStore, 'all' | 'change' | 'usage'>;
  readonly tokens: Pick<TokenStore, 'list'>;
  readonly storage: Pick<StorageLedger, 'usedBy'>;
  readonly book: LimitBook;
}

/** The routes of limits. */
export function limitHandlers(
  config: ApiConfig,
  { limits: sets, tokens, storage, book }: LimitHandlerDeps,
): Record<LimitOperation, Handler> {
  const stored = <T>(work: Promise<T>) => within(config.storeTimeoutMs, work);
  const view = async (subject: LimitSubject): Promise<LimitView> => {
    const [limits, set, usage, storedBytes] = await Promise.all([
      book.of(subject),
      book.set(subject),
      sets.usage(subject),
      subject.kind === 'team' ? storage.usedBy(subject.name) : undefined,
    ]);
    return {
      ...subject,
      limits: copy(limits),
      set: copy(set),
      ...usage,
      ...(storedBytes !== undefined && { storedBytes }),
    };
  };
  const change = async (subject: LimitSubject, request: Request, response: Response, { note }: Call) => {
    const asked = parsed(limitChange, await jsonBody(request, config.maxJsonBytes));
    if (subject.kind === 'token' && typeof asked.storedBytes === 'number') {
      const expected = 'unlimited, since storage is counted by team';
      throw fieldProblem('invalid_request', 'storedBytes', String(asked.storedBytes), expected);
    }
    note({ target: `${subject.kind} ${subject.name}`, details: { change: JSON.stringify(asked) } });
    await stored(sets.change(subject, asked));
    book.forget();
    sendJson(response, 200, await stored(view(subject)));
  };

  return {
    async readLimits(_request, response, { principal }) {
      const [team, token] = [teamSubject(principal), credentialSubject(principal)];
      const own: OwnLimits = {
        ...(team && { team: await stored(view(team)) }),
        ...(token && { token: await stored(view(token)) }),
      };
      sendJson(response, 200, own);
    },

    async listLimits(_request, response) {
      const subjects = [...(await stored(sets.all())).keys()].sort().map(subjectOf);
      const { team, token } = book.defaults;
      const list: LimitList = {
        eachTeam: copy(team),
        eachToken: copy(token),
        set: await stored(Promise.all(subjects.map(view))),
      };
      sendJson(response, 200, list);
    },

    async changeTeamLimits(request, response, call) {
      const name = parameter(teamName, 'team', request.params.team);
      await change({ kind: 'team', name }, request, response, call);
    },

    async changeTokenLimits(request, response, call) {
      const id = parameter(tokenId, 'token', request.params.token);
      const token = (await stored(tokens.list())).find((one) => one.id === id);
      if (!token) throw fieldProblem('token_not_found', 'token', id, 'the id of a token; GET /v1/tokens lists them');
      await change({ kind: 'token', name: id }, request, response, call);
    },
  };
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] extends readonly string[] | undefined ? string[] : T[K] };

/** Views are mutable. */
function copy<T extends LimitSettings>(limits: T): Mutable<T> {
  return structuredClone(limits) as Mutable<T>;
}
