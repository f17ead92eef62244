import { setTimeout as delay } from 'node:timers/promises';

const POLL_MS = 50;

/**
 * Polls `read` until it returns neither `undefined` nor `false`, and returns that value. For code that also runs outside vitest; tests
 * use `expect.poll`.
 * @throws Error that names `what`, when `timeoutMs` have passed; and whatever `read` throws
 */
export async function until<T>(
  what: string,
  read: () => T | Promise<T>,
  timeoutMs: number,
  pollMs = POLL_MS,
): Promise<Exclude<T, undefined | false>> {
  const end = performance.now() + timeoutMs;
  for (;;) {
    const value = await read();
    if (value !== undefined && value !== false) return value as Exclude<T, undefined | false>;
    if (performance.now() > end) throw new Error(`timed out after ${timeoutMs} ms waiting until ${what}`);
    await delay(pollMs);
  }
}
