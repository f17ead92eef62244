import {
  type LimitDefaults,
  type LimitSettings,
  type LimitSubject,
  type Limits,
  limitsOf,
  type Principal,
} from '@kiln/domain';
import { type LimitStore, type PoolEvents, subjectKey } from '@kiln/state';

/** However still the event stream is, what is set is read anew after so long, ms. */
const FRESH_MS = 10_000;

/** Kinds of principals that nothing limits: who mends Kiln, and what keeps builds going. */
const UNLIMITED_KINDS: ReadonlySet<Principal['kind']> = new Set(['local-admin', 'worker', 'anonymous']);

/** What teams and credentials may do: what is set for them over what everybody has, as this process knows it. */
export class LimitBook implements Disposable {
  readonly defaults: LimitDefaults;
  readonly #sets: Pick<LimitStore, 'all'>;
  readonly #now: () => number;
  readonly #subscription: Disposable;
  #known: Promise<ReadonlyMap<string, LimitSettings>> | undefined;
  #readAt = Number.NEGATIVE_INFINITY;

  constructor(defaults: LimitDefaults, sets: Pick<LimitStore, 'all'>, events: Pick<PoolEvents, 'subscribe'>, now: () => number) {
    this.defaults = defaults;
    this.#sets = sets;
    this.#now = now;
    this.#subscription = events.subscribe(({ type }) => {
      if (type === 'limits') this.forget();
    });
  }

  /** What was read holds no longer: something was set. */
  forget(): void {
    this.#known = undefined;
  }

  async of(subject: LimitSubject): Promise<Limits> {
    return limitsOf(this.defaults[subject.kind], await this.set(subject));
  }

  /** What is set for the subject by itself. */
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

/** Whose limits a principal's own are; undefined where nothing limits it. */
export function credentialSubject({ kind, id }: Principal): LimitSubject | undefined {
  return UNLIMITED_KINDS.has(kind) ? undefined : { kind: 'token', name: id };
}

/** The team whose limits hold for all that a principal does; undefined where it is of none, or of all. */
export function teamSubject({ team, kind }: Principal): LimitSubject | undefined {
  return UNLIMITED_KINDS.has(kind) || team === '' || team === '*' ? undefined : { kind: 'team', name: team };
}
