import { FaultyRedis, type RedisFault } from '@kiln/state/testing';

export const ROLES = ['api', 'scheduler', 'worker'] as const;
export type Role = (typeof ROLES)[number];

/** A call to Redis, as one process of the pool makes it: the `nth` of its name in a build's life, from 1. */
export interface Call {
  readonly role: Role;
  readonly name: string;
  readonly nth: number;
}

export interface Case extends Call {
  readonly fault: RedisFault;
  /** The fault lasts so long, for every call of the process; 0: this call only. */
  readonly burstMs: number;
}

/** Counts the calls of a pool's processes, and makes one of them go wrong. */
export class CountedFaults implements AsyncDisposable {
  readonly proxies: Readonly<Record<Role, FaultyRedis>>;
  #counts = new Map<string, number>();
  #armed: Case | undefined;
  #happened = Promise.withResolvers<void>();
  #untilMs = 0;

  private constructor(proxies: Readonly<Record<Role, FaultyRedis>>) {
    this.proxies = proxies;
    for (const role of ROLES) proxies[role].fault = ({ name }) => this.#called(role, name);
  }

  static async start(redisUrl: string): Promise<CountedFaults> {
    const [api, scheduler, worker] = await Promise.all(ROLES.map(() => FaultyRedis.start(redisUrl, { silenceMs: 60 })));
    if (!api || !scheduler || !worker) throw new Error('no proxies');
    return new CountedFaults({ api, scheduler, worker });
  }

  /** Begins to count; `armed` goes wrong when it comes. */
  begin(armed?: Case): void {
    this.#counts = new Map();
    this.#armed = armed;
    this.#happened = Promise.withResolvers();
  }

  /** Resolves when what was armed has gone wrong. */
  get happened(): Promise<void> {
    return this.#happened.promise;
  }

  /** From here on nothing goes wrong any more. */
  end(): Call[] {
    this.#armed = undefined;
    this.#untilMs = 0;
    return [...this.#counts].flatMap(([key, count]) => {
      const [role, name = ''] = key.split(' ', 2) as [Role, string];
      return Array.from({ length: count }, (_, i) => ({ role, name: key.slice(role.length + 1) || name, nth: i + 1 }));
    });
  }

  #called(role: Role, name: string): RedisFault | undefined {
    const key = `${role} ${name}`;
    const nth = (this.#counts.get(key) ?? 0) + 1;
    this.#counts.set(key, nth);
    const armed = this.#armed;
    if (armed?.role !== role) return undefined;
    if (performance.now() < this.#untilMs) return armed.fault;
    if (this.#untilMs > 0 || armed.name !== name || armed.nth !== nth) return undefined;
    this.#untilMs = performance.now() + armed.burstMs;
    this.#happened.resolve();
    return armed.fault;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(ROLES.map((role) => this.proxies[role][Symbol.asyncDispose]()));
  }
}
