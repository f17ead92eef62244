import pRetry from 'p-retry';
import { CorruptState, NotLeader, RequestNotUnderstood, StaleAttempt } from './builds/errors.ts';
import { HostNameTaken, HostRemoved, WorkerReplaced } from './hosts/errors.ts';
import { SecretsUnavailable } from './secrets/errors.ts';
import { SealBroken } from './secrets/sealer.ts';
import { TaskLost, TooManyTasks } from './tasks/errors.ts';

/** The first wait before a call is repeated, ms; doubled each time, with jitter. */
const FIRST_WAIT_MS = 25;
const LONGEST_WAIT_MS = 2_000;

/** Refusals by Kiln itself, and broken data: repeating the call would give the same result. */
const OWN = [
  ...[StaleAttempt, NotLeader, HostNameTaken, HostRemoved, WorkerReplaced],
  ...[CorruptState, RequestNotUnderstood, SealBroken, SecretsUnavailable, TaskLost, TooManyTasks],
];
/** Bugs in the program. */
const BUGS = [TypeError, RangeError, SyntaxError, ReferenceError];
/** Codes of Redis errors about the command or the data. All others are about Redis' own state, which may change. */
const LASTING_REPLIES: ReadonlySet<string> = new Set(['ERR', 'WRONGTYPE', 'NOSCRIPT', 'CROSSSLOT']);
/** ioredis' error for a connection that was closed for good by this process. */
const CLOSED = 'Connection is closed.';

/**
 * Whether a call to Redis that failed with `error` may succeed when repeated: Redis was unreachable, out of memory, loading, without its
 * replicas or no longer the master, or an answer was lost. False for refusals by Kiln (`StaleAttempt`), broken data and bugs.
 */
export function isPassing(error: unknown): boolean {
  if (!(error instanceof Error) || [...OWN, ...BUGS].some((type) => error instanceof type)) return false;
  if (error.name === 'ReplyError') return !LASTING_REPLIES.has(error.message.split(' ', 1)[0] ?? '');
  return error.message !== CLOSED;
}

/**
 * Repeats `call` until Redis has taken or refused it, however long that takes; it must be harmless to repeat. There is no time limit,
 * because scripts refuse callers that have lost the right to write.
 * @param onFailure called with each failure that is followed by a repeat
 * @throws errors for which `isPassing` is false
 */
export function persist<T>(call: () => Promise<T>, onFailure: (error: Error) => void = () => {}): Promise<T> {
  return pRetry(call, {
    retries: Number.POSITIVE_INFINITY,
    minTimeout: FIRST_WAIT_MS,
    maxTimeout: LONGEST_WAIT_MS,
    randomize: true,
    shouldRetry: ({ error }) => isPassing(error),
    onFailedAttempt: ({ error }) => {
      if (isPassing(error)) onFailure(error);
    },
  });
}
