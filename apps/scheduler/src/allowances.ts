import { type BuildRecord, type LimitDefaults, type LimitSubject, lowest } from '@kiln/domain';
import { type ConcurrencyLimits, type LimitStore, subjectKey } from '@kiln/state';

/** The team and the submitter whose limits a build counts towards. */
export interface Owners {
  readonly team: string;
  /** Principal that submitted it, if it has limits of its own. */
  readonly submitter?: string | undefined;
}

export function ownersOf({ team, submitter }: BuildRecord): Owners {
  return { team, submitter };
}

/** The limit that keeps a build from being placed, even if a host has room. */
export interface Exhausted {
  readonly reason: 'team_limit' | 'token_limit';
  readonly limit: number;
}

/** Limits on running builds by team and by submitter, and the leader's count of what runs. */
export class Allowances {
  readonly #defaults: LimitDefaults;
  readonly #store: Pick<LimitStore, 'all'>;
  /** Limits that were set, by `subjectKey`; undefined lifts the default. */
  #set: ReadonlyMap<string, number | undefined> = new Map();
  readonly #running = new Map<string, Owners>();
  readonly #counts = new Map<string, number>();

  constructor(defaults: LimitDefaults, store: Pick<LimitStore, 'all'>) {
    this.#defaults = defaults;
    this.#store = store;
  }

  /** Whether any limit exists. */
  get areAny(): boolean {
    const { team, token } = this.#defaults;
    return this.#set.size > 0 || lowest(team.concurrentBuilds, token.concurrentBuilds) !== undefined;
  }

  /** Reads the limits that were set. */
  async read(): Promise<void> {
    const set = [...(await this.#store.all())].filter(([, { concurrentBuilds }]) => concurrentBuilds !== undefined);
    this.#set = new Map(set.map(([key, { concurrentBuilds }]) => [key, lowest(concurrentBuilds)]));
  }

  /** Resets the count of running builds. */
  clear(): void {
    this.#running.clear();
    this.#counts.clear();
  }

  began(build: string, owners: Owners): void {
    if (this.#running.has(build)) return;
    this.#running.set(build, owners);
    this.#count(owners, 1);
  }

  ended(build: string): void {
    const owners = this.#running.get(build);
    if (!owners) return;
    this.#running.delete(build);
    this.#count(owners, -1);
  }

  /** The limits for `assign-build`, which checks them again in the step that assigns a build. */
  limitsFor({ team, submitter }: Owners): ConcurrencyLimits {
    return {
      team: this.#limit('team', team),
      token: submitter === undefined ? undefined : this.#limit('token', submitter),
    };
  }

  /** The limit that these owners have reached; undefined if they may run one more build. */
  exhausted(owners: Owners): Exhausted | undefined {
    const { team, token } = this.limitsFor(owners);
    if (team !== undefined && this.#runningOf('team', owners.team) >= team)
      return { reason: 'team_limit', limit: team };
    if (token === undefined || this.#runningOf('token', owners.submitter ?? '') < token) return undefined;
    return { reason: 'token_limit', limit: token };
  }

  #runningOf(kind: LimitSubject['kind'], name: string): number {
    return this.#counts.get(subjectKey({ kind, name })) ?? 0;
  }

  #limit(kind: LimitSubject['kind'], name: string): number | undefined {
    const key = subjectKey({ kind, name });
    return this.#set.has(key) ? this.#set.get(key) : lowest(this.#defaults[kind].concurrentBuilds);
  }

  #count({ team, submitter }: Owners, change: number): void {
    const keys = [subjectKey({ kind: 'team', name: team })];
    if (submitter !== undefined) keys.push(subjectKey({ kind: 'token', name: submitter }));
    for (const key of keys) {
      const count = (this.#counts.get(key) ?? 0) + change;
      if (count === 0) this.#counts.delete(key);
      else this.#counts.set(key, count);
    }
  }
}
