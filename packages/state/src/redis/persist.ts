import pRetry from 'p-retry';
import { CorruptState, NotLeader, RequestNotUnderstood, StaleAttempt } from '../builds/errors.ts';
import { HostNameTaken, HostRemoved, WorkerReplaced } from '../hosts/errors.ts';
import { SecretsUnavailable } from '../secrets/errors.ts';
import { SealBroken } from '../secrets/sealer.ts';

/** First wait before a call is repeated, ms; doubled with each, with jitter. */
const FIRST_WAIT_MS = 25;
const LONGEST_WAIT_MS = 2_000;

/** What Kiln itself decided, or what is broken in the data: a repeat gives the same. */
const OWN = [
  ...[StaleAttempt, NotLeader, HostNameTaken, HostRemoved, WorkerReplaced],
  ...[CorruptState, RequestNotUnderstood, SealBroken, SecretsUnavailable],
];
/** Errors of the program. */
const BUGS = [TypeError, RangeError, SyntaxError, ReferenceError];
/** First words of Redis' errors that are about the command or the data; any other is about Redis' own state, which changes. */
const LASTING_REPLIES: ReadonlySet<string> = new Set(['ERR', 'WRONGTYPE', 'NOSCRIPT', 'CROSSSLOT']);
/** What ioredis says when its own side has closed the connection for good. */
const CLOSED = 'Connection is closed.';

/**
 * Whether a call to Redis that failed with `error` may succeed when it is repeated: Redis was away, out of memory, loading, without its
 * replicas or no longer the master, or an answer was lost. False for what Kiln refused (`StaleAttempt`), broken data and faults of the program.
 */
export function isPassing(error: unknown): boolean {
  if (!(error instanceof Error) || [...OWN, ...BUGS].some((type) => error instanceof type)) return false;
  if (error.name === 'ReplyError') return !LASTING_REPLIES.has(error.message.split(' ', 1)[0] ?? '');
  return error.message !== CLOSED;
}

/**
 * Repeats `call` until Redis has taken or refused it, however long that takes: what it writes must be harmless to repeat. Who may no longer
 * write is refused by the scripts, so that no time limit is needed here.
 * @param onFailure told of each failure that is followed by a repeat
 * @throws what is not `isPassing`
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
