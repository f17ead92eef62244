import { expect, it } from 'vitest';
import { ReconnectNotice } from './reconnect-notice.ts';

it('tells of a lost connection once, and of its return once, and of short interruptions not at all', () => {
  const said: string[] = [];
  const notice = new ReconnectNotice((message) => said.push(message));
  notice.lost(new Error('the connection was reset'), 300);
  notice.heard();
  expect(said).toEqual([]);
  notice.lost(new Error('the connection was reset'), 300);
  for (const delayMs of [1_500, 4_000, 8_000]) notice.lost(new Error('it can’t be reached'), delayMs);
  for (let i = 0; i < 3; i += 1) notice.heard();
  notice.lost(new Error('again'), 2_000);
  notice.heard();
  expect(said).toEqual([
    'it can’t be reached; reconnecting',
    'reconnected; the log goes on where it was',
    'again; reconnecting',
    'reconnected; the log goes on where it was',
  ]);
});
