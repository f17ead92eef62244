import type { Outcome } from '@kiln/domain';
import { createLogger } from '@kiln/runtime';
import { type AttemptRef, StaleAttempt } from '@kiln/state';
import { expect, test } from 'vitest';
import { HandBack } from './hand-back.ts';
import { RunningAttempts } from './running-attempts.ts';

const HELD = { buildId: 'b', attempt: 1, cancel: false, begun: false };
const desired = (attempts: readonly (typeof HELD)[], drain: { handBackInMs?: number } = { handBackInMs: 0 }) => ({
  ...{ cordoned: true, drain, slots: 2, labels: {}, inventoryKnown: true, tasks: 0 },
  attempts,
});

/** Creates a hand-back that settles attempts by `settle`, and records what was begun and stopped. */
function setUp(settle: () => Promise<never>) {
  const asked: Outcome[] = [];
  const begun: string[] = [];
  const stopped: unknown[] = [];
  const attempts = {
    settle: (_ref: AttemptRef, outcome: Outcome) => {
      asked.push(outcome);
      return settle();
    },
  };
  const ref = ({ buildId, attempt }: typeof HELD) => ({ buildId, attempt, host: 'h', incarnation: 'i' });
  const log = createLogger({ app: 'test', level: 'silent' });
  const handBack = new HandBack(new RunningAttempts(), attempts, ref, log);
  const begin = (key: string) =>
    handBack.run(
      { buildId: key, attempt: 1 },
      (signal) =>
        new Promise<void>((resolve) => {
          begun.push(key);
          const stop = () => {
            stopped.push(signal.reason);
            resolve();
          };
          if (signal.aborted) stop();
          else signal.addEventListener('abort', stop);
        }),
    );
  return { handBack, asked, begun, stopped, begin };
}

test('does not begin an attempt while it is being handed back', async () => {
  const { promise, reject } = Promise.withResolvers<never>();
  const { handBack, asked, begun, begin } = setUp(() => promise);
  handBack.order(desired([HELD]));
  expect(asked).toMatchObject([{ end: 'failed', failure: { code: 'host_drained' } }]);
  await begin('b');
  expect(begun).toEqual([]);
  // Another process has ended it: from now on the record refuses to start it.
  reject(new StaleAttempt('b', 1));
  await promise.catch(() => {});
  handBack.order(desired([], {}));
  void begin('b');
  expect(begun).toEqual(['b']);
});

test('does not begin an attempt whose hand-back may have failed, and hands it back again', async () => {
  const { handBack, asked, begun, begin } = setUp(() => Promise.reject(new Error('Redis is away')));
  handBack.order(desired([HELD]));
  await begin('b');
  handBack.order(desired([HELD]));
  await begin('b');
  expect(begun).toEqual([]);
  expect(asked).toHaveLength(2);
});

test('stops running attempts, and those that begin after the deadline, but none that begin after the drain', async () => {
  const { handBack, asked, begun, stopped, begin } = setUp(() => Promise.reject(new Error('not to be called')));
  const first = begin('b');
  handBack.order(desired([HELD]));
  await first;
  await begin('c');
  expect(stopped).toEqual(['drain', 'drain']);
  handBack.order(desired([], {}));
  void begin('d');
  expect(begun).toEqual(['b', 'c', 'd']);
  expect(stopped).toHaveLength(2);
  expect(asked).toEqual([]);
});
