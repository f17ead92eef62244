import { setTimeout as delay } from 'node:timers/promises';
import type { TestHosts } from '../support/hosts.ts';
import type { Role } from '../support/pool/options.ts';
import type { Pool } from '../support/pool/pool.ts';
import { failRedis } from './fail-redis.ts';
import { describeFault, type FaultPlan, type Lane, type PlannedFault } from './plan.ts';

const SUPERVISE_EVERY_MS = 500;

/** A lane that rests until `due` builds have ended. */
interface Rest {
  readonly due: number;
  readonly over: () => void;
}

/** Inflicts the faults of a plan on a pool. */
export class Injector {
  readonly #pool: Pool;
  readonly #hosts: TestHosts;
  readonly #startedAt = performance.now();
  /** Each fault with its time, to find out what broke a promise. */
  readonly history: string[] = [];
  readonly #meantDown = new Set<string>();
  readonly #rests = new Set<Rest>();
  /** Number of builds that have ended. */
  #ended = 0;

  constructor(pool: Pool, hosts: TestHosts) {
    this.#pool = pool;
    this.#hosts = hosts;
  }

  /** Must be called for each build that has ended. */
  buildEnded(): void {
    this.#ended += 1;
    for (const rest of this.#rests) {
      if (this.#ended >= rest.due) rest.over();
    }
  }

  /** Inflicts the plan's faults, lane by lane and side by side, until `signal` aborts. A fault that is under way then is undone. */
  async run(plan: FaultPlan, signal: AbortSignal): Promise<void> {
    await Promise.all((Object.keys(plan.faults) as Lane[]).map((lane) => this.#lane(plan.faults[lane], signal)));
  }

  async #lane(next: () => PlannedFault, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const fault = next();
      this.#note(describeFault(fault));
      await this.#inflict(fault, signal);
      await this.#rest(fault.restBuilds, signal);
    }
  }

  /** Waits until further `builds` builds have ended. */
  async #rest(builds: number, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const rest = { due: this.#ended + builds, over: () => resolve() };
    this.#rests.add(rest);
    signal.addEventListener('abort', rest.over, { once: true });
    await promise;
    signal.removeEventListener('abort', rest.over);
    this.#rests.delete(rest);
  }

  async #inflict({ kind, target, holdMs }: PlannedFault, signal: AbortSignal): Promise<void> {
    const hold = () => pause(holdMs, signal);
    switch (kind) {
      case 'kill worker':
        return await this.#killed('worker', target, hold);
      case 'kill scheduler':
        return await this.#killed('scheduler', target, hold);
      case 'kill api':
        return await this.#killed('api', target, hold);
      case 'freeze worker':
        return await this.#frozen('worker', target, hold);
      case 'freeze scheduler':
        return await this.#frozen('scheduler', target, hold);
      case 'freeze api':
        return await this.#frozen('api', target, hold);
      case 'kill redis':
        await this.#pool.redis.down();
        await hold();
        return await this.#pool.redis.up();
      case 'lose host':
        await this.#down('worker', target, async () => {
          await this.#pool.lose(target);
          await hold();
          await this.#hosts.host(target).start();
        });
        this.#pool.launch('worker', target);
        return;
      case 'starve redis':
      case 'unreplicated redis':
      case 'read-only redis':
      case 'pause redis':
      case 'freeze redis':
      case 'reset redis':
        return await failRedis(this.#pool.redis, kind, holdMs, signal);
      case 'restart engine':
        await this.#hosts.host(target).kill();
        await hold();
        return await this.#hosts.host(target).start();
      case 'freeze host':
        await this.#hosts.host(target).pause();
        await hold();
        return this.#hosts.host(target).resume();
      case 'cut host':
      case 'cut redis':
        await this.#hosts.host(target).cut(kind === 'cut redis' ? { port: this.#pool.redisPort } : {});
        await hold();
        return await this.#hosts.host(target).mend();
    }
  }

  async #killed(role: Role, name: string, hold: () => Promise<void>): Promise<void> {
    await this.#down(role, name, async () => {
      await this.#pool.kill(role, name);
      await hold();
    });
    // Its readiness is not awaited: while Redis or the engine is down, it may take as long as they do.
    this.#pool.launch(role, name);
  }

  /** Keeps `supervise` from restarting a process that is meant to be down. */
  async #down(role: Role, name: string, during: () => Promise<void>): Promise<void> {
    this.#meantDown.add(`${role} ${name}`);
    try {
      await during();
    } finally {
      this.#meantDown.delete(`${role} ${name}`);
    }
  }

  /** Restarts processes that ended by themselves, as systemd or Kubernetes would: a worker cannot start while its engine is down, for example. */
  async supervise(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      for (const { role, name, process: ended } of this.#pool.ended()) {
        if (this.#meantDown.has(`${role} ${name}`)) continue;
        this.#note(`${ended.title} ended by itself and was restarted`);
        this.#pool.launch(role, name);
      }
      await pause(SUPERVISE_EVERY_MS, signal);
    }
  }

  #note(text: string): void {
    this.history.push(`${((performance.now() - this.#startedAt) / 1000).toFixed(1)} s: ${text}`);
  }

  async #frozen(role: Role, name: string, hold: () => Promise<void>): Promise<void> {
    this.#pool.process(role, name).signal('SIGSTOP');
    await hold();
    this.#pool.process(role, name).signal('SIGCONT');
  }
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await delay(ms, undefined, { signal }).catch(() => {});
}
