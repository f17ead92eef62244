import { expect, test } from 'vitest';
import { Pulse } from './pulse.ts';
import { serveHealth } from './serve-health.ts';

test('a pulse is alive from its first beat until the limit after its last', () => {
  let now = 0;
  const pulse = new Pulse(1_000, () => now);
  expect([pulse.alive, pulse.ageMs]).toEqual([false, undefined]);
  pulse.beat();
  now = 1_000;
  expect([pulse.alive, pulse.ageMs]).toEqual([true, 1_000]);
  now = 1_001;
  expect(pulse.alive).toBe(false);
  pulse.beat();
  expect(pulse.alive).toBe(true);
});

test('/readyz reports the pulse, and /healthz that the process is alive', async () => {
  let now = 0;
  const pulse = new Pulse(1_000, () => now);
  await using server = await serveHealth(0, pulse);
  const get = async (path: string) => {
    const response = await fetch(`http://127.0.0.1:${server.port}${path}`);
    return `${response.status} ${(await response.text()).trim()}`;
  };
  expect(await get('/readyz')).toBe('503 not ready: no success yet, expected one within 1000 ms');
  pulse.beat();
  now = 40;
  expect(await get('/readyz')).toBe('200 ready: last success 40 ms ago');
  now = 5_000;
  expect(await get('/readyz')).toBe('503 not ready: last success 5000 ms ago, expected one within 1000 ms');
  expect(await get('/healthz')).toBe('200 alive');
  expect(await get('/')).toMatch(/^404/);
});

test('a port in use is reported as an error', async () => {
  await using first = await serveHealth(0, new Pulse(1));
  await expect(serveHealth(first.port, new Pulse(1))).rejects.toThrow(/EADDRINUSE/);
});
