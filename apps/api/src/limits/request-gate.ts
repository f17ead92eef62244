import type { LimitSubject, Principal } from '@kiln/domain';
import { RATE_WINDOW_SECONDS, type RateState, type RequestRates } from '@kiln/state';
import type { Response } from 'express';
import { ApiProblem } from '../http/api-problem.ts';
import { within } from '../http/deadline.ts';
import { credentialSubject, type LimitBook, teamSubject } from './limit-book.ts';

/** Counts a principal's request, and sets the rate-limit headers of the answer. @throws ApiProblem `too_many_requests` */
export type RequestGate = (principal: Principal, response: Response) => Promise<void>;

interface Counted {
  readonly subject: LimitSubject;
  readonly perMinute: number;
  readonly state: RateState;
}

/** Counts requests by credential and by team. Header fields as in draft-ietf-httpapi-ratelimit-headers-10. */
export function requestGate(book: LimitBook, rates: Pick<RequestRates, 'take'>, storeTimeoutMs: number): RequestGate {
  const count = async (subject: LimitSubject | undefined): Promise<Counted[]> => {
    if (!subject) return [];
    const { requestsPerMinute: perMinute } = await book.of(subject);
    return perMinute === 'unlimited' ? [] : [{ subject, perMinute, state: await rates.take(subject, perMinute) }];
  };
  return async (principal, response) => {
    const subjects = [credentialSubject(principal), teamSubject(principal)];
    const counted = (await within(storeTimeoutMs, Promise.all(subjects.map(count)))).flat();
    if (counted.length === 0) return;
    const item = (what: (one: Counted) => string) =>
      counted.map((one) => `"${one.subject.kind}";${what(one)}`).join(', ');
    response.setHeader(
      'RateLimit-Policy',
      item(({ perMinute }) => `q=${perMinute};w=${RATE_WINDOW_SECONDS}`),
    );
    response.setHeader(
      'RateLimit',
      item(({ state }) => `r=${state.remaining};t=${seconds(state.resetMs)}`),
    );
    const refused = counted.filter(({ state }) => !state.allowed);
    if (refused.length > 0) throw tooMany(refused);
  };
}

function tooMany(refused: readonly Counted[]): ApiProblem {
  const wait = Math.max(...refused.map(({ state }) => seconds(state.resetMs)));
  const [{ subject, perMinute } = { subject: { kind: 'token', name: '' }, perMinute: 0 }] = refused;
  const whose = subject.kind === 'team' ? `the team ${subject.name}` : 'this credential';
  return new ApiProblem(
    'too_many_requests',
    `${whose} may make ${perMinute} requests a minute; try again in ${wait} s`,
    {
      errors: refused.map((one) => ({
        field: `limit requestsPerMinute of the ${one.subject.kind}`,
        got: `more than ${one.perMinute} requests within ${RATE_WINDOW_SECONDS} s`,
        expected: `at most ${one.perMinute}`,
      })),
      headers: { 'Retry-After': String(wait) },
    },
  );
}

function seconds(ms: number): number {
  return Math.max(1, Math.ceil(ms / 1_000));
}
