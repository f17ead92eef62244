import { type BuildRecord, isTerminal } from '@kiln/domain';
import type { Redis } from 'ioredis';
import type { Keys } from '../redis/keys.ts';
import { runScript } from '../redis/scripts.ts';
import { readRecord } from './read.ts';
import { applyEvent, changeArgs } from './write.ts';

export interface CancelDeps {
  readonly redis: Redis;
  readonly keys: Keys;
  readonly secretTtlMs: number;
}

/**
 * `canceled`: the build has ended. `requested`: it ends when its host has stopped it. `released`: its run continues for others that
 * share it.
 */
export type CancelOutcome = 'canceled' | 'requested' | 'released' | 'already_finished';

/** How often canceling starts over because others have joined or left the run. */
const MAX_TRIES = 20;
const OTHERS_CHANGED = -3;

/**
 * Cancels build `id` for its caller. A run that others share isn't stopped: the build that owns it is released, and one that shares it
 * leaves it. The last build that wants the run cancels the run and ends with it.
 */
export async function cancelBuild(deps: CancelDeps, id: string, now: number): Promise<CancelOutcome | 'gone'> {
  const { redis, keys, secretTtlMs } = deps;
  for (let tries = 0; tries < MAX_TRIES; tries++) {
    const build = await readRecord(redis, keys, id);
    if (!build) return 'gone';
    if (isTerminal(build.state)) return 'already_finished';
    const run = build.sharedRun ?? id;
    const wanted = (await redis.smembers(keys.interest(run))).some((wants) => wants !== id);
    const type = !wanted ? 'cancel' : run === id ? 'release' : 'leave';
    const written = type === 'cancel' ? run : id;
    const applied = await applyEvent(redis, keys, written, { type }, now, (next, expected) =>
      runScript(
        redis,
        'cancel-build',
        [keys.build(written), keys.secrets(written), keys.interest(run)],
        [keys.prefix, written, expected, secretTtlMs, id, wanted ? '1' : '0', ...changeArgs(next, now)],
      ),
    );
    if (applied.outcome === 'refused' && applied.code === OTHERS_CHANGED) continue;
    // A build that shares a run ends with it.
    if (written !== id) return 'requested';
    if (applied.outcome === 'gone') return 'gone';
    return applied.outcome === 'illegal' ? 'already_finished' : outcomeOf(applied.build);
  }
  throw new Error(`the builds that share the run of build ${id} changed ${MAX_TRIES} times while it was canceled`);
}

function outcomeOf({ state, cancelRequestedAt, releasedAt }: BuildRecord): CancelOutcome {
  if (state === 'canceled') return 'canceled';
  return releasedAt !== undefined && cancelRequestedAt === undefined ? 'released' : 'requested';
}
