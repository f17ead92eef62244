import { KilnClient } from '@kiln/client';
import { expect, test } from 'vitest';
import { FakeApi } from '../testing/fake-api.ts';
import { misfitText, misfitWarning } from './version-fit.ts';

test('warns once for each client, after the server has told its version', async () => {
  await using api = await FakeApi.start();
  api.version = '9.8.7';
  const clients = [1, 2].map(() => new KilnClient({ url: api.url, token: api.token }));
  for (const client of clients) {
    expect(misfitWarning(client)).toBeUndefined();
    await client.list();
    expect(misfitWarning(client)).toBe(misfitText('9.8.7'));
    expect(misfitWarning(client)).toBeUndefined();
  }
});
