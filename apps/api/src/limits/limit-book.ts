import {
  type LimitDefaults,
  type LimitSettings,
  type LimitSubject,
  type Limits,
  limitsOf,
  type Principal,
} from '@kiln/domain';
import { type LimitStore, type PoolEvents, subjectKey } from '@kiln/state';

/** How long limits are cached without an event, ms. */
const FRESH_MS = 10_000;

/** Kinds of principals without limits: those who repair Kiln, and those that keep builds running. */
const UNLIMITED_KINDS: ReadonlySet<Principal['kind']> = new Set(['local-admin', 'worker', 'anonymous']);

/** The limits of teams and credentials: the defaults, overridden by what is set for each. Cached in this process. */
export class LimitBook implements Disposable {
  readonly defaults: LimitDefaults;
  readonly #sets: Pick<LimitStore, 'all'>;
  readonly #now: () => number;
  readonly #subscription: Disposable;
  #known: Promise<ReadonlyMap<string, LimitSettings>> | undefined;
  #readAt = Number.NEGATIVE_INFINITY;

  constructor(
    defaults: LimitDefaults,
    sets: Pick<LimitStore, 'all'>,
    events: Pick<PoolEvents, 'subscribe'>,
    now: () => number,
  ) {
    this.defaults = defaults;
    this.#sets = sets;
    this.#now = now;
    this.#subscription = events.subscribe(({ type }) => {
      if (type === 'limits') this.forget();
    });
  }

  /** Drops the cache: a limit was set. */
  forget(): void {
    this.#known = undefined;
  }

  async of(subject: LimitSubject): Promise<Limits> {
    return limitsOf(this.defaults[subject.kind], await this.set(subject));
  }

  /** What is set for this very subject. */
  async set(subject: LimitSubject): Promise<LimitSettings> {
    return (await this.#all()).get(subjectKey(subject)) ?? {};
  }

  #all(): Promise<ReadonlyMap<string, LimitSettings>> {
    const now = this.#now();
    if (this.#known && now - this.#readAt < FRESH_MS) return this.#known;
    const reading = this.#sets.all();
    this.#readAt = now;
    this.#known = reading;
    reading.catch(() => {
      if (this.#known === reading) this.#known = undefined;
    });
    return reading;
  }

  [Symbol.dispose](): void {
    this.#subscription[Symbol.dispose]();
  }
}

/** The subject of a principal's own limits; undefined if it has none. */
export function credentialSubject({ kind, id }: Principal): LimitSubject | undefined {
  return UNLIMITED_KINDS.has(kind) ? undefined : { kind: 'token', name: id };
}

/** The team whose limits apply to a principal; undefined if it belongs to none or to all. */
export function teamSubject({ team, kind }: Principal): LimitSubject | undefined {
  return UNLIMITED_KINDS.has(kind) || team === '' || team === '*' ? undefined : { kind: 'team', name: team };
}
