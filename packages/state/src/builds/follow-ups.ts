import { type BuildEvent, type BuildRecord, type EndedRun, isTerminal } from '@kiln/domain';
import type { Redis } from 'ioredis';
import type { Keys } from '../redis/keys.ts';
import { runScript } from '../redis/scripts.ts';
import { CorruptState } from './errors.ts';
import { parseRecord, readRecord } from './read.ts';
import { applyEvent, changeArgs } from './write.ts';

/**
 * What a script decides for one build and leaves to be carried out for others: a newer build of a concurrency key was accepted, and
 * the older ones are to end; a run has ended, and the builds that share it are to end as it did. The script notes them as due in
 * the same step, so whoever did it may die: anybody can carry it out, any number of times, and the leader does so until it is done.
 */
export class FollowUps {
  readonly #redis: Redis;
  readonly #keys: Keys;
  readonly #now: () => number;
  readonly #secretTtlMs: number;

  constructor(redis: Redis, keys: Keys, options: { now: () => number; secretTtlMs: number }) {
    this.#redis = redis;
    this.#keys = keys;
    this.#now = options.now;
    this.#secretTtlMs = options.secretTtlMs;
  }

  /**
   * Carries out all that is due, and what that makes due in turn. What fails keeps nothing else up, and stays due.
   * @throws AggregateError
   */
  async run(): Promise<void> {
    const tried = new Set<string>();
    const errors: unknown[] = [];
    const untried = async () => (await this.#redis.smembers(this.#keys.due())).filter((id) => !tried.has(id));
    for (let due = await untried(); due.length > 0; due = await untried()) {
      for (const id of due) {
        tried.add(id);
        await this.#followUp(id).catch((error: unknown) => errors.push(error));
      }
    }
    if (errors.length > 0) throw new AggregateError(errors, `${errors.length} of ${tried.size} follow-ups failed`);
  }

  async #followUp(id: string): Promise<void> {
    const event = await this.#eventFor(id);
    const now = this.#now();
    const applied =
      event &&
      (await applyEvent(this.#redis, this.#keys, id, event, now, (next, expected) =>
        runScript(
          this.#redis,
          'follow-up',
          [this.#keys.build(id), this.#keys.secrets(id), this.#keys.due()],
          [this.#keys.prefix, id, expected, this.#secretTtlMs, ...changeArgs(next, now)],
        ),
      ));
    // Nothing is left to do where it has ended, or was canceled before: neither ever goes back to the queue.
    if (applied?.outcome !== 'applied') await this.#redis.srem(this.#keys.due(), id);
  }

  async #eventFor(id: string): Promise<BuildEvent | undefined> {
    const [doc, newer] = await this.#redis.hmget(this.#keys.build(id), 'doc', 'newer');
    if (!doc) return undefined;
    const { sharedRun } = parseRecord(doc);
    if (sharedRun !== undefined) return { type: 'share', run: await this.#endOf(sharedRun) };
    return newer ? { type: 'supersede', by: newer } : undefined;
  }

  async #endOf(id: string): Promise<EndedRun> {
    const run = await readRecord(this.#redis, this.#keys, id);
    return run ? endedRun(run) : { state: 'failed', failure: { code: 'infrastructure', message: goneMessage(id) } };
  }
}

/** A run that went on for a while with no leader about may be past its retention when its end is taken over. */
function goneMessage(id: string): string {
  return `build ${id}, whose run this one shared, is no longer kept; submit it again`;
}

function endedRun(run: BuildRecord): EndedRun {
  const { state, cancelRequestedAt, supersededBy, commit, steps, result, failure } = run;
  if (!isTerminal(state)) throw new CorruptState(`the run of build ${run.id} is taken over while it is ${state}`);
  return {
    state,
    ...(cancelRequestedAt !== undefined && { cancelRequestedAt }),
    ...(supersededBy !== undefined && { supersededBy }),
    ...(commit !== undefined && { commit }),
    ...(steps && { steps }),
    ...(result && { result }),
    ...(failure && { failure }),
  };
}
