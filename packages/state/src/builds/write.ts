import { createHash } from 'node:crypto';
import type { EndRecord } from '@kiln/contracts';
import {
  type BuildEvent,
  type BuildRecord,
  currentAttempt,
  type IllegalTransition,
  isIllegal,
  transition,
} from '@kiln/domain';
import type { Redis } from 'ioredis';
import type { Keys } from '../redis/keys.ts';
import { observerOf } from '../redis/observer.ts';
import { parseRecord, readShrunk } from './read.ts';

/** The arguments that scripts read by `changeFrom`: the fields of a build's hash, and the whole record as `doc`. */
export function changeArgs(build: BuildRecord, at: number): (string | number)[] {
  const attempt = currentAttempt(build);
  return [
    build.revision,
    build.state,
    attempt?.number ?? 0,
    attempt?.host ?? '',
    attempt?.incarnation ?? '',
    build.cancelRequestedAt === undefined ? '0' : '1',
    JSON.stringify(build),
    at,
    attempt?.nonce ?? '',
  ];
}

/** The last record of an attempt's log, by the state of the build after the attempt. */
export function endRecord(build: BuildRecord, at: number): EndRecord {
  const attempt = currentAttempt(build);
  const failure = build.state === 'queued' ? attempt?.failure : build.failure;
  return {
    t: at,
    type: 'end',
    state: build.state,
    ...(attempt?.startedAt !== undefined && { host: attempt.host, ms: Math.max(0, at - attempt.startedAt) }),
    ...(build.steps && build.state !== 'queued' && { steps: { ...build.steps } }),
    ...(failure && { failure }),
  };
}

/** How often a write is repeated because the build has changed meanwhile. */
const MAX_TRIES = 20;
const STALE_REVISION = -2;
const GONE = -1;

/**
 * Identifies a record for scripts, by its revision and its digest. A failover that loses writes gives their revisions again, so the
 * revision alone could mistake another record for the one that was read.
 */
export function recordStamp(revision: number, doc: string): string {
  return `${revision} ${createHash('sha1').update(doc).digest('hex')}`;
}

export type Applied =
  | { readonly outcome: 'applied'; readonly build: BuildRecord }
  /** The event changes nothing in this state, like a second cancel. */
  | { readonly outcome: 'unchanged'; readonly build: BuildRecord }
  | { readonly outcome: 'illegal'; readonly build: BuildRecord; readonly illegal: IllegalTransition }
  | { readonly outcome: 'gone' }
  | { readonly outcome: 'refused'; readonly code: number; readonly build: BuildRecord };

/**
 * Applies an event to a build; builds change in no other way. Reads the record, applies the domain's transition, and calls `write` with the
 * result. Starts over if the record has changed meanwhile. If the connection sends the write again because its answer was lost, this
 * finds its own change, which counts as `applied`.
 * @param write runs a script that checks the record's stamp, and returns its code: 0 written, -1 gone, -2 stale revision, others are
 *   refusals of the script
 */
export async function applyEvent(
  redis: Redis,
  keys: Keys,
  id: string,
  event: BuildEvent,
  now: number,
  write: (next: BuildRecord, expected: string) => Promise<unknown>,
): Promise<Applied> {
  let written: { readonly doc: string; readonly before: BuildRecord } | undefined;
  for (let tries = 0; tries < MAX_TRIES; tries++) {
    const doc = await redis.hget(keys.build(id), 'doc');
    if (doc === null) return lateFor(await readShrunk(redis, keys, id), event, now);
    const build = parseRecord(doc);
    if (doc === written?.doc) return applied(redis, written.before, build);
    const next = transition(build, event, now);
    if (isIllegal(next)) return { outcome: 'illegal', build, illegal: next };
    if (next.revision === build.revision) return { outcome: 'unchanged', build };
    written = { doc: JSON.stringify(next), before: build };
    const code = Number(await write(next, recordStamp(build.revision, doc)));
    if (code === 0) return applied(redis, build, next);
    if (code === GONE) return { outcome: 'gone' };
    if (code !== STALE_REVISION) return { outcome: 'refused', code, build };
  }
  throw new Error(`build ${id} changed ${MAX_TRIES} times while ${event.type} was applied to it`);
}

function applied(redis: Redis, before: BuildRecord, build: BuildRecord): Applied {
  observerOf(redis)?.changed(before, build);
  return { outcome: 'applied', build };
}

/** The outcome for a build that was shrunk: it has ended, so no event changes it. */
function lateFor(build: BuildRecord | undefined, event: BuildEvent, now: number): Applied {
  if (!build) return { outcome: 'gone' };
  const next = transition(build, event, now);
  return isIllegal(next) ? { outcome: 'illegal', build, illegal: next } : { outcome: 'unchanged', build };
}
