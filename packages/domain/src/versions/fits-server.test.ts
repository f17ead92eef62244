import { expect, test } from 'vitest';
import { fitsServer } from './fits-server.ts';

test.each([
  ['0.1.0', '0.1.0', true],
  ['0.1.9', '0.1.0', true],
  ['0.1.0', '0.2.0', true],
  ['0.2.0', '0.1.9', false],
  ['1.9.0', '1.10.0', true],
  ['1.10.0', '1.9.0', false],
  ['1.0.0', '2.0.0', false],
  ['2.0.0', '1.9.0', false],
  ['1.2.0-rc.1', '1.2.0', true],
  ['1.2.0', 'dev', undefined],
  ['1.2', '1.2.0', undefined],
])('a command of version %s and a server of version %s: %s', (command, server, fits) => {
  expect(fitsServer(command, server)).toBe(fits);
});
