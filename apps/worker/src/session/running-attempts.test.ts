import { expect, test } from 'vitest';
import { type AttemptRun, RunningAttempts } from './running-attempts.ts';

const lost = { buildId: 'b', attempt: 2, nonce: 'lost' };
const again = { buildId: 'b', attempt: 2, nonce: 'again' };

/** A run that ends when the test says so. */
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

test('an attempt that the pool has lost is stopped, and over, before the next one of its number begins', async () => {
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

test('a late call for an attempt that the record refuses stops none that runs', async () => {
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

test('two attempts that each take the other for the old one don’t wait for each other for ever', async () => {
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

test('a call that comes twice runs once', async () => {
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

test('of two attempts of one number, the one that the pool doesn’t name is stopped', async () => {
  const running = new RunningAttempts();
  const run = controlled();
  const done = running.run(lost, run.run);
  const signal = await run.begun;
  running.reconcile([{ ...again, cancel: false, begun: true }], performance.now() + 1);
  expect(signal.reason).toBe('fence');
  run.end();
  await done;
});
