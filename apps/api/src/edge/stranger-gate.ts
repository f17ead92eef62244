import { createHash } from 'node:crypto';
import { ApiProblem } from '../http/api-problem.ts';
import { BoundedTable } from './bounded-table.ts';
import { clientNetwork, isLoopback } from './client-network.ts';

const MINUTE_MS = 60_000;
/** A wrong credential costs as much as this many requests without one: it may be a guess. */
const WRONG_CREDENTIAL_COST = 10;
/** Addresses that are remembered: a few MB, however many attack. */
const MAX_ADDRESSES = 20_000;
/** Credentials that are remembered as valid. */
const MAX_KNOWN_CREDENTIALS = 10_000;

interface Bucket {
  tokens: number;
  at: number;
}

/** A request that was let in; its caller reports how its credential turned out. */
export interface Entry {
  /** The credential was valid: later requests with it aren't limited by what others at its address do. */
  proved(): void;
  /** The credential identifies nobody, such as a cookie of another site. */
  unknown(): void;
  /** The credential was wrong. */
  failed(): void;
  /** The request had no credential but was authentic, as a signed webhook is. It doesn't count. */
  vouched(): void;
}

const NOT_COUNTED: Entry = { proved() {}, unknown() {}, failed() {}, vouched() {} };

/**
 * Limits requests without a valid credential, by address. Each address has a token bucket that refills within a minute. A credential that
 * was valid before passes whatever else comes from its address, so that a guesser can't lock out others at the same address. Counted in
 * this process alone; callers on this machine aren't counted.
 */
export class StrangerGate {
  readonly #perMinute: number;
  readonly #now: () => number;
  readonly #buckets = new BoundedTable<Bucket>(MAX_ADDRESSES);
  readonly #known = new BoundedTable<true>(MAX_KNOWN_CREDENTIALS);

  /** `perMinute` 0: no limit. */
  constructor(perMinute: number, now: () => number) {
    this.#perMinute = perMinute;
    this.#now = now;
  }

  /** Lets a request in. `credential` is what it carries, valid or not; undefined if nothing. @throws ApiProblem `too_many_requests` */
  enter(ip: string, credential: string | undefined): Entry {
    if (this.#perMinute === 0 || isLoopback(ip)) return NOT_COUNTED;
    const network = clientNetwork(ip);
    const digest = credential === undefined ? undefined : digestOf(credential);
    if (digest !== undefined && this.#known.get(digest)) {
      return { ...NOT_COUNTED, failed: () => void this.#take(network, WRONG_CREDENTIAL_COST) };
    }
    // A credential costs nothing until it proves wrong, but an address with an empty bucket can't try one.
    const cost = digest === undefined ? 1 : 0;
    if (!this.#has(network, Math.max(1, cost))) throw this.#refusal(network);
    this.#take(network, cost);
    return {
      proved: () => {
        if (digest !== undefined) this.#known.set(digest, true);
      },
      unknown: () => this.#take(network, 1 - cost),
      failed: () => this.#take(network, WRONG_CREDENTIAL_COST),
      vouched: () => this.#take(network, -cost),
    };
  }

  #bucket(network: string): Bucket {
    const now = this.#now();
    const bucket = this.#buckets.get(network) ?? { tokens: this.#perMinute, at: now };
    const gained = (Math.max(0, now - bucket.at) * this.#perMinute) / MINUTE_MS;
    bucket.tokens = Math.min(this.#perMinute, bucket.tokens + gained);
    bucket.at = now;
    return bucket;
  }

  #has(network: string, tokens: number): boolean {
    return this.#bucket(network).tokens >= tokens;
  }

  /** Many wrong credentials at once may overdraw the bucket: the address then waits longer, a minute at most. */
  #take(network: string, tokens: number): void {
    const bucket = this.#bucket(network);
    bucket.tokens = Math.max(-this.#perMinute, Math.min(this.#perMinute, bucket.tokens - tokens));
    this.#buckets.set(network, bucket);
  }

  #refusal(network: string): ApiProblem {
    const { tokens } = this.#bucket(network);
    const wait = Math.max(1, Math.ceil(((1 - tokens) * MINUTE_MS) / this.#perMinute / 1_000));
    const most = this.#perMinute;
    return new ApiProblem(
      'too_many_requests',
      `${network} may make ${most} requests a minute without a valid credential; try again in ${wait} s`,
      {
        errors: [
          {
            field: 'address',
            got: `more requests from ${network} without a valid credential`,
            expected: `at most ${most} a minute; a wrong credential counts as ${WRONG_CREDENTIAL_COST}`,
          },
        ],
        headers: { 'Retry-After': String(wait) },
      },
    );
  }
}

function digestOf(credential: string): string {
  return createHash('sha256').update(credential).digest('base64url');
}
