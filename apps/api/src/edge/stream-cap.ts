import type { ServerResponse } from 'node:http';
import { ANONYMOUS, type Principal } from '@kiln/domain';
import { ApiProblem } from '../http/api-problem.ts';
import { credentialSubject } from '../limits/limit-book.ts';
import { clientNetwork } from './client-network.ts';

const RETRY_SECONDS = 5;

/**
 * Allows one credential at most `max` long requests at a time, such as followed logs and waits for builds, or uploads. Callers without a credential are
 * counted by address; the local admin and workers aren't limited. Counted in this process alone.
 */
export class StreamCap {
  readonly #max: number;
  readonly #what: string;
  readonly #open = new Map<string, number>();

  /** @param what names the requests in messages */
  constructor(max: number, what = 'streams') {
    this.#max = max;
    this.#what = what;
  }

  /** Counts a request until its answer closes. @throws ApiProblem `too_many_requests` */
  enter(principal: Principal, ip: string, response: ServerResponse): void {
    const whose = principal === ANONYMOUS ? clientNetwork(ip) : credentialSubject(principal)?.name;
    if (whose === undefined) return;
    const before = this.#open.get(whose) ?? 0;
    if (before >= this.#max) throw tooMany(principal === ANONYMOUS ? whose : principal.name, this.#max, this.#what);
    this.#open.set(whose, before + 1);
    response.once('close', () => {
      const left = (this.#open.get(whose) ?? 1) - 1;
      if (left > 0) this.#open.set(whose, left);
      else this.#open.delete(whose);
    });
  }
}

function tooMany(whose: string, max: number, what: string): ApiProblem {
  return new ApiProblem(
    'too_many_requests',
    `${whose} has ${max} open ${what}, which is the limit; close some or use another token`,
    {
      errors: [{ field: `${what} of the credential`, got: 'one more', expected: `at most ${max} at a time` }],
      headers: { 'Retry-After': String(RETRY_SECONDS) },
    },
  );
}
