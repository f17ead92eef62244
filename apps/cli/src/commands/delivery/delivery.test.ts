import { deliveryView } from '@kiln/contracts';
import { describe, expect, it } from 'vitest';
import { ping } from '../../testing/ping.ts';
import { withRealPool } from '../../testing/with-real-pool.ts';

const cli = withRealPool();

describe('kiln delivery', () => {
  it('show the results of webhooks and process one again', async () => {
    const { out: secret } = await cli.run('connection set acme --forge github --team acme --repo acme/**');
    await ping(cli.pool.api.url, secret.trim(), 'three');
    const listed = await cli.run('delivery ls --connection acme -n 1');
    const id = /^(\w{26}) /m.exec(listed.out)?.[1] ?? '';
    expect(listed.out).toMatch(/^\w{26} +(?:done|pending) +acme +\d+s +0 +/m);
    const again = deliveryView.parse(JSON.parse((await cli.run(`delivery redeliver --json ${id}`)).out));
    expect(again).toMatchObject({ id, forgeId: 'three' });
    const shown = async () => (await cli.run(`delivery show ${id}`)).out;
    await expect.poll(shown, { timeout: 60_000 }).toContain(': done after');
    expect(await shown()).toContain('github: ping\n  nothing to build: ping: the connection works\n');
    expect(await cli.run(`delivery show ${'0'.repeat(26)}`)).toMatchObject({
      code: 125,
      err: expect.stringContaining('kiln delivery ls'),
    });
    expect(await cli.run('delivery ls --state lost')).toMatchObject({
      code: 125,
      err: expect.stringContaining('--state: got "lost", expected pending'),
    });
  });
});
