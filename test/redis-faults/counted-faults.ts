import { FaultyRedis, type RedisFault } from '@kiln/state/testing';

export const ROLES = ['api', 'scheduler', 'worker'] as const;
export type Role = (typeof ROLES)[number];

/** A call to Redis by one process of the pool: the `nth` of its name in a build's life, from 1. */
export interface Call {
  readonly role: Role;
  readonly name: string;
  readonly nth: number;
}

export interface Case extends Call {
  readonly fault: RedisFault;
  /** How long every call of the process fails, from this call on; 0: only this call fails. */
  readonly burstMs: number;
}

/** Counts the Redis calls of a pool's processes, and makes one of them fail. */
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
    if (!api || !scheduler || !worker) throw new Error('the proxies did not start');
    return new CountedFaults({ api, scheduler, worker });
  }

  /** Starts counting from zero. The call `armed` will fail. */
  begin(armed?: Case): void {
    this.#counts = new Map();
    this.#armed = armed;
    this.#happened = Promise.withResolvers();
  }

  /** Resolves when the armed call has failed. */
  get happened(): Promise<void> {
    return this.#happened.promise;
  }

  /** Whether no burst of faults is under way. */
  get isQuiet(): boolean {
    return performance.now() >= this.#untilMs;
  }

  /** Ends all faults. Returns the calls that were made since `begin`. */
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
