import type { BuildRecord } from '@kiln/domain';
import type { Redis } from 'ioredis';

/** Is told what this process writes and what Redis answers, to count it. Its functions must be cheap and must not throw. */
export interface StateObserver {
  accepted(record: BuildRecord): void;
  /** A change of a build that Redis has accepted. */
  changed(before: BuildRecord, after: BuildRecord): void;
  /**
   * An answer of Redis, except to commands on connections for blocking ones.
   * @param ms since the command was given, waiting for a connection included
   * @param error if Redis refused the command
   */
  answered(ms: number, error: Error | undefined): void;
}

/** By connection: all that writes has one, and so no store needs another parameter. */
const observers = new WeakMap<Redis, StateObserver>();

/** Has everything that this process does over `redis` told to `observer`. */
export function observeState(redis: Redis, observer: StateObserver): void {
  observers.set(redis, observer);
}

export function observerOf(redis: Redis): StateObserver | undefined {
  return observers.get(redis);
}
