import { type BuildEvent, type BuildRecord, type EndedRun, isTerminal } from '@kiln/domain';
import type { Redis } from 'ioredis';
import type { Keys } from '../redis/keys.ts';
import { runScript } from '../redis/scripts.ts';
import { CorruptState } from './errors.ts';
import { parseRecord, readRecord } from './read.ts';
import { applyEvent, changeArgs } from './write.ts';

/**
 * Ends builds whose end another build has decided: older builds of a concurrency key when a newer one is accepted, and builds that share a
 * run when it ends. The script that decides it notes them as due in the same step, so nothing is lost if its caller dies. Any process may
 * run this, any number of times; the leader repeats it until nothing is due.
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
   * Ends all due builds, and those that become due by it. A build for which this fails stays due; the others are ended.
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
    // An ended or canceled build never goes back to the queue, so it isn't due any more.
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

/** Without a leader for long, a run may be purged before its end is taken over. */
function goneMessage(id: string): string {
  return `build ${id}, whose run this build shared, was purged; submit the build again`;
}

function endedRun(run: BuildRecord): EndedRun {
  const { state, cancelRequestedAt, supersededBy, commit, steps, result, failure } = run;
  if (!isTerminal(state)) throw new CorruptState(`the run of build ${run.id} is ${state}, expected an ended one`);
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
