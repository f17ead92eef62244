import { setTimeout as delay } from 'node:timers/promises';
import type { TestHosts } from '../support/hosts.ts';
import type { Pool, Role } from '../support/pool.ts';
import { failRedis } from './fail-redis.ts';
import { describeFault, type FaultPlan, type Lane, type PlannedFault } from './plan.ts';

const SUPERVISE_EVERY_MS = 500;
const LOOK_EVERY_MS = 50;

/** Does to a pool what a plan says. */
export class Injector {
  readonly #pool: Pool;
  readonly #hosts: TestHosts;
  readonly #startedAt = performance.now();
  /** What was done when, for those who have to find out what went wrong. */
  readonly history: string[] = [];
  readonly #meantDown = new Set<string>();

  /** Builds that have ended. */
  #ended = 0;

  constructor(pool: Pool, hosts: TestHosts) {
    this.#pool = pool;
    this.#hosts = hosts;
  }

  /** Is to be called for each build that has ended. */
  buildEnded(): void {
    this.#ended += 1;
  }

  /** Goes through the lanes of a plan until `signal` aborts; whatever was begun is made good then. */
  async run(plan: FaultPlan, signal: AbortSignal): Promise<void> {
    await Promise.all((Object.keys(plan.faults) as Lane[]).map((lane) => this.#lane(plan.faults[lane], signal)));
  }

  async #lane(next: () => PlannedFault, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const fault = next();
      this.#note(describeFault(fault));
      await this.#inflict(fault, signal);
      const due = this.#ended + fault.restBuilds;
      while (this.#ended < due && !signal.aborted) await pause(LOOK_EVERY_MS, signal);
    }
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
    // Not awaited until it serves: with Redis or the engine down that may take as long as they do.
    this.#pool.launch(role, name);
  }

  /** While a process is meant to be down, nobody starts it again. */
  async #down(role: Role, name: string, during: () => Promise<void>): Promise<void> {
    this.#meantDown.add(`${role} ${name}`);
    try {
      await during();
    } finally {
      this.#meantDown.delete(`${role} ${name}`);
    }
  }

  /** Starts again what has ended by itself, as systemd or Kubernetes would: a worker whose engine is gone can't start, for one. */
  async supervise(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      for (const { role, name, process: ended } of this.#pool.ended()) {
        if (this.#meantDown.has(`${role} ${name}`)) continue;
        this.#note(`${ended.title} had ended by itself, started again`);
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
