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
import { parseRecord, readShrunk } from './read.ts';

/** Names of the fields of a build's hash that the scripts read; the rest of a build is in `doc`. */
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

/** The last record of an attempt's log, for the state that its end left the build in. */
export function endRecord(build: BuildRecord, at: number): EndRecord {
  const failure = build.state === 'queued' ? currentAttempt(build)?.failure : build.failure;
  return { t: at, type: 'end', state: build.state, ...(failure && { failure }) };
}

/** How often a write is tried again when others change the build in between. */
const MAX_TRIES = 20;
const STALE_REVISION = -2;
const GONE = -1;

/**
 * What a script knows a record by: its revision, and its digest. A failover of Redis that loses writes gives their revisions
 * again; a record that was read before it must not be taken for another one after it.
 */
export function recordStamp(revision: number, doc: string): string {
  return `${revision} ${createHash('sha1').update(doc).digest('hex')}`;
}

export type Applied =
  | { readonly outcome: 'applied'; readonly build: BuildRecord }
  /** The event changes nothing in this state, as a second cancel. */
  | { readonly outcome: 'unchanged'; readonly build: BuildRecord }
  | { readonly outcome: 'illegal'; readonly build: BuildRecord; readonly illegal: IllegalTransition }
  | { readonly outcome: 'gone' }
  | { readonly outcome: 'refused'; readonly code: number; readonly build: BuildRecord };

/**
 * The one way in which a build changes: reads its record, asks the domain what `event` makes of it, and has `write` carry that
 * out by a script that checks that the record is still the one that was read; starts over where somebody else was faster. A write whose answer was lost is sent again by the
 * connection itself, and then finds its own change: that is `applied`, too.
 * `write` answers the script's code: 0 done, -1 gone, -2 stale revision, anything else a refusal of its own.
 */
export async function applyEvent(
  redis: Redis,
  keys: Keys,
  id: string,
  event: BuildEvent,
  now: number,
  write: (next: BuildRecord, expected: string) => Promise<unknown>,
): Promise<Applied> {
  let written: string | undefined;
  for (let tries = 0; tries < MAX_TRIES; tries++) {
    const doc = await redis.hget(keys.build(id), 'doc');
    if (doc === null) return lateFor(await readShrunk(redis, keys, id), event, now);
    const build = parseRecord(doc);
    if (doc === written) return { outcome: 'applied', build };
    const next = transition(build, event, now);
    if (isIllegal(next)) return { outcome: 'illegal', build, illegal: next };
    if (next.revision === build.revision) return { outcome: 'unchanged', build };
    written = JSON.stringify(next);
    const code = Number(await write(next, recordStamp(build.revision, doc)));
    if (code === 0) return { outcome: 'applied', build: next };
    if (code === GONE) return { outcome: 'gone' };
    if (code !== STALE_REVISION) return { outcome: 'refused', code, build };
  }
  throw new Error(`build ${id} changed ${MAX_TRIES} times while ${event.type} was applied to it`);
}

/** A build without its hash has ended and was shrunk: no event changes it. */
function lateFor(build: BuildRecord | undefined, event: BuildEvent, now: number): Applied {
  if (!build) return { outcome: 'gone' };
  const next = transition(build, event, now);
  return isIllegal(next) ? { outcome: 'illegal', build, illegal: next } : { outcome: 'unchanged', build };
}
