import { expect, test } from 'vitest';
import { fakeIo } from '../testing/fake-io.ts';
import { QuietView } from './view.ts';

test('the quiet view says once why a build waits, if it waits for long', () => {
  const io = fakeIo({});
  const view = new QuietView(io.err);
  for (let i = 0; i < 4; i++) view.waiting('every host that fits is full');
  expect(io.stderr.text).toBe('');
  for (let i = 0; i < 9; i++) view.waiting('no host fits');
  expect(io.stderr.text).toBe('kiln: waiting: no host fits\n');
});
