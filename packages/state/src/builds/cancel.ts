import { type BuildRecord, isTerminal } from '@kiln/domain';
import type { Redis } from 'ioredis';
import type { Keys } from '../redis/keys.ts';
import { runScript } from '../redis/scripts.ts';
import { readRecord } from './read.ts';
import { applyEvent, changeArgs } from './write.ts';

export interface CancelParts {
  readonly redis: Redis;
  readonly keys: Keys;
  readonly secretTtlMs: number;
}

/**
 * `canceled`: the build has ended. `requested`: it ends when its host has stopped it. `released`: others share its run, which
 * goes on for them.
 */
export type CancelOutcome = 'canceled' | 'requested' | 'released' | 'already_finished';

/** How often others may come to the run, or leave it, while one cancels. */
const MAX_TRIES = 20;
const OTHERS_CHANGED = -3;

/**
 * Carries one caller's cancel of build `id` out. What others share isn't stopped: the build that owns the run is released, one
 * that shares it leaves it. The last who wants the run cancels the run, and ends with it.
 */
export async function cancelBuild(parts: CancelParts, id: string, now: number): Promise<CancelOutcome | 'gone'> {
  const { redis, keys, secretTtlMs } = parts;
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
    // The build that shares a run ends as that does.
    if (written !== id) return 'requested';
    if (applied.outcome === 'gone') return 'gone';
    return applied.outcome === 'illegal' ? 'already_finished' : outcomeOf(applied.build);
  }
  throw new Error(`who wants the run of build ${id} changed ${MAX_TRIES} times while it was canceled`);
}

function outcomeOf({ state, cancelRequestedAt, releasedAt }: BuildRecord): CancelOutcome {
  if (state === 'canceled') return 'canceled';
  return releasedAt !== undefined && cancelRequestedAt === undefined ? 'released' : 'requested';
}
