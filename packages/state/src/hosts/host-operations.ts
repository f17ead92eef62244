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
 * Operators' orders to hosts. An order takes effect with the host's next report, which an event brings forward, and outlasts restarts of
 * its worker. Every method returns the host after the order; undefined if there is no such host.
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

  /** Stops assigning builds to the host. */
  cordon(name: string): Promise<HostState | undefined> {
    return this.#order('cordon-host', name, []);
  }

  /** Ends the host's cordon and drain, and a removal in progress. */
  uncordon(name: string): Promise<HostState | undefined> {
    return this.#order('uncordon-host', name, []);
  }

  /** Stops assigning builds to the host; it finishes those that it holds, or hands them back after `deadlineMs`. */
  drain(name: string, deadlineMs?: number): Promise<HostState | undefined> {
    return this.#order('drain-host', name, [deadlineMs ?? '']);
  }

  /** Overrides slots and labels of the worker's report. @throws TooManyLabels */
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
   * Removes the host from the pool: at once if it holds no builds; with `force` it is `removing` until it has handed them back.
   * Returns the host as it was before the removal.
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
    // A busy host is returned with the builds that it holds now.
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
