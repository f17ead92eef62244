import { expect, test } from 'vitest';
import { type AttemptRun, RunningAttempts } from './running-attempts.ts';

const lost = { buildId: 'b', attempt: 2, nonce: 'lost' };
const again = { buildId: 'b', attempt: 2, nonce: 'again' };

/** Creates a run that the test ends. */
function controlled() {
  const ended = Promise.withResolvers<void>();
  const begun = Promise.withResolvers<AbortSignal>();
  const run: AttemptRun = async (signal, alone) => {
    await alone();
    begun.resolve(signal);
    await ended.promise;
  };
  return { run, begun: begun.promise, end: () => ended.resolve() };
}

test('stops an attempt that the pool has lost, and waits for its end, before the next attempt of its number begins', async () => {
  const running = new RunningAttempts();
  const [first, second] = [controlled(), controlled()];
  const firstDone = running.run(lost, first.run);
  const signal = await first.begun;
  let secondBegan = false;
  void second.begun.then(() => {
    secondBegan = true;
  });
  const secondDone = running.run(again, second.run);
  expect(signal.reason).toBe('fence');
  await Promise.resolve();
  expect(secondBegan).toBe(false);
  first.end();
  await firstDone;
  expect((await second.begun).aborted).toBe(false);
  second.end();
  await secondDone;
  expect(running.size).toBe(0);
});

test('does not stop a running attempt on a late call for one that the record refuses', async () => {
  const running = new RunningAttempts();
  const run = controlled();
  const done = running.run(again, run.run);
  const signal = await run.begun;
  await running.run({ buildId: 'b', attempt: 1, nonce: 'old' }, async () => {
    // Its start was refused.
  });
  expect(signal.aborted).toBe(false);
  run.end();
  await done;
});

test('does not deadlock if two attempts each take the other for the old one', async () => {
  const running = new RunningAttempts();
  const runs = [controlled(), controlled()];
  const done = [
    running.run(lost, runs[0]?.run ?? (async () => {})),
    running.run(again, runs[1]?.run ?? (async () => {})),
  ];
  for (const run of runs) run.end();
  await Promise.all(done);
  expect(running.size).toBe(0);
});

test('runs an attempt once that is called for twice', async () => {
  const running = new RunningAttempts();
  const run = controlled();
  const done = running.run(again, run.run);
  let ranTwice = false;
  const same = running.run({ ...again }, async () => {
    ranTwice = true;
  });
  run.end();
  await Promise.all([done, same]);
  expect(ranTwice).toBe(false);
});

test('stops the attempt whose nonce the pool does not name', async () => {
  const running = new RunningAttempts();
  const run = controlled();
  const done = running.run(lost, run.run);
  const signal = await run.begun;
  running.reconcile([{ ...again, cancel: false, begun: true }], performance.now() + 1);
  expect(signal.reason).toBe('fence');
  run.end();
  await done;
});
