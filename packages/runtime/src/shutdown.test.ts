import { expect, test } from 'vitest';
import { onStopSignal, Shutdown } from './shutdown.ts';

test('everything is released once, in reverse order, even if a step fails', async () => {
  const order: string[] = [];
  const errors: string[] = [];
  const shutdown = new Shutdown();
  shutdown.add('first', () => void order.push('first'));
  shutdown.add('broken', () => {
    throw new Error('broken');
  });
  shutdown.add('last', async () => void order.push('last'));
  const onError = (step: string) => void errors.push(step);
  await Promise.all([shutdown.run(onError), shutdown.run(onError)]);
  expect(order).toEqual(['last', 'first']);
  expect(errors).toEqual(['broken']);
});

test('a start is stopped where it asks whether the process is stopping', async () => {
  const shutdown = new Shutdown();
  shutdown.throwIfRunning();
  const ended = shutdown.run(() => {});
  expect(() => shutdown.throwIfRunning()).toThrow('the process is stopping');
  await ended;
});

test('a step that takes too long is reported, and the others still run', async () => {
  const order: string[] = [];
  const shutdown = new Shutdown();
  shutdown.add('first', () => void order.push('first'));
  shutdown.add('stuck', () => new Promise(() => {}), 10);
  await shutdown.run((step, error) => void order.push(`${step}: ${(error as Error).message}`));
  expect(order).toEqual(['stuck: not released within 10 ms', 'first']);
});

test('a stop signal is received, and signals are ignored after disposal', async () => {
  const before = process.listenerCount('SIGTERM');
  {
    using stop = onStopSignal();
    process.emit('SIGTERM', 'SIGTERM');
    expect(await stop.received).toBe('SIGTERM');
  }
  expect(process.listenerCount('SIGTERM')).toBe(before);
});
