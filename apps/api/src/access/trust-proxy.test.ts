import { expect, test } from 'vitest';
import { trustProxy } from './trust-proxy.ts';

test.each([
  [undefined, []],
  ['1', 1],
  ['10.0.0.0/8, ::1,loopback', ['10.0.0.0/8', '::1', 'loopback']],
])('reads %s', (text, expected) => {
  expect(trustProxy.parse(text)).toEqual(expected);
});

test.each(['true', '*', '10.0.0.0/33', 'proxy.example', '10.0.0.1/8/8', '::/129'])('refuses %s', (text) => {
  expect(trustProxy.safeParse(text).error?.issues[0]?.message).toContain('comma-separated addresses or networks');
});
