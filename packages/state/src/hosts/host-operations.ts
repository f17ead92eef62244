import { type HostChange, MAX_LABELS } from '@kiln/contracts';
import type { Redis } from 'ioredis';
import type { AttemptQueues } from '../queue/attempt-queue.ts';
import type { Keys } from '../redis/keys.ts';
import { runScript, type ScriptName } from '../redis/scripts.ts';
import type { HostState } from '../types.ts';
import { TooManyLabels } from './errors.ts';
import type { HostStore } from './host-store.ts';

const UNKNOWN = -1;

/**
 * What operators do with hosts. Each takes effect with the host's next report, which an event brings forward, and holds over
 * restarts of its worker. All answer the host as it is then; undefined where there is none.
 */
export class HostOperations {
  readonly #redis: Redis;
  readonly #keys: Keys;
  readonly #hosts: HostStore;
  readonly #queues: AttemptQueues;

  constructor(redis: Redis, keys: Keys, hosts: HostStore, queues: AttemptQueues) {
    this.#redis = redis;
    this.#keys = keys;
    this.#hosts = hosts;
    this.#queues = queues;
  }

  /** Gives it nothing new. */
  cordon(name: string): Promise<HostState | undefined> {
    return this.#order('cordon-host', name, []);
  }

  /** Ends a cordon, a drain, and a removal under way. */
  uncordon(name: string): Promise<HostState | undefined> {
    return this.#order('uncordon-host', name, []);
  }

  /** Gives it nothing new and has it finish what it holds, or after `deadlineMs` hand it back. */
  drain(name: string, deadlineMs?: number): Promise<HostState | undefined> {
    return this.#order('drain-host', name, [deadlineMs ?? '']);
  }

  /** Sets slots and labels over what the worker reports. @throws TooManyLabels */
  async change(name: string, { slots, labels = {}, reset = false }: HostChange): Promise<HostState | undefined> {
    const code = await runScript(
      this.#redis,
      'set-host',
      [this.#keys.hosts(), this.#keys.hostDesired(name), this.#keys.host(name)],
      [
        this.#keys.prefix,
        name,
        MAX_LABELS,
        reset ? '1' : '0',
        slots === undefined ? '' : (slots ?? '-'),
        ...Object.entries(labels).flatMap(([label, value]) => [label, value === null ? '-' : `=${value}`]),
      ],
    );
    if (code === -2) throw new TooManyLabels(name);
    return code === UNKNOWN ? undefined : this.#hosts.get(name);
  }

  /**
   * Takes it out of the pool: at once where it holds nothing; else, with `force`, it is `removing` until what it holds is handed
   * back. `host` is as it was before.
   */
  async remove(
    name: string,
    force: boolean,
  ): Promise<{ outcome: 'removed' | 'removing' | 'busy'; host: HostState } | undefined> {
    const host = await this.#hosts.get(name);
    const code = await runScript(
      this.#redis,
      'remove-host',
      [this.#keys.hosts(), this.#keys.hostDesired(name), this.#keys.hostHeld(name)],
      [this.#keys.prefix, name, force ? '1' : '0'],
    );
    if (code === UNKNOWN || !host) return undefined;
    if (code === 0) {
      await this.#queues.obliterate(name);
      return { outcome: 'removed', host };
    }
    // Busy: what it holds now, not what it held before.
    return { outcome: code === 1 ? 'removing' : 'busy', host: (await this.#hosts.get(name)) ?? host };
  }

  async #order(script: ScriptName, name: string, args: readonly (string | number)[]): Promise<HostState | undefined> {
    const code = await runScript(
      this.#redis,
      script,
      [this.#keys.hosts(), this.#keys.hostDesired(name)],
      [this.#keys.prefix, name, ...args],
    );
    return code === UNKNOWN ? undefined : this.#hosts.get(name);
  }
}
