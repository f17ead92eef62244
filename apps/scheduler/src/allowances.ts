import { type LimitDefaults, type LimitSubject, lowest } from '@kiln/domain';
import { type ConcurrencyLimits, type LimitStore, subjectKey } from '@kiln/state';

/** Whose builds a build counts among. */
export interface Owners {
  readonly team: string;
  /** Principal that submitted it, where that has limits of its own. */
  readonly submitter?: string | undefined;
}

/** Why a build may not be given to a host now, though one may have room. */
export interface Exhausted {
  readonly reason: 'team_limit' | 'token_limit';
  readonly limit: number;
}

/** How many builds hosts may have of each team and each credential, and how many they have, as the leader knows it. */
export class Allowances {
  readonly #defaults: LimitDefaults;
  readonly #store: Pick<LimitStore, 'all'>;
  /** By `subjectKey`: where a limit is set. */
  #set: ReadonlyMap<string, number | undefined> = new Map();
  readonly #running = new Map<string, Owners>();
  readonly #counts = new Map<string, number>();

  constructor(defaults: LimitDefaults, store: Pick<LimitStore, 'all'>) {
    this.#defaults = defaults;
    this.#store = store;
  }

  /** Whether anybody's builds are limited at all. */
  get areAny(): boolean {
    const { team, token } = this.#defaults;
    return this.#set.size > 0 || lowest(team.concurrentBuilds, token.concurrentBuilds) !== undefined;
  }

  /** Takes in what is set. */
  async read(): Promise<void> {
    const set = [...(await this.#store.all())].filter(([, { concurrentBuilds }]) => concurrentBuilds !== undefined);
    this.#set = new Map(set.map(([key, { concurrentBuilds }]) => [key, lowest(concurrentBuilds)]));
  }

  /** Forgets what runs. */
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

  /** To be checked once more in the step that gives a build to a host. */
  limitsFor({ team, submitter }: Owners): ConcurrencyLimits {
    return {
      team: this.#limit('team', team),
      token: submitter === undefined ? undefined : this.#limit('token', submitter),
    };
  }

  /** Undefined while one more build of these may run. */
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
