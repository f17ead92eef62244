import { auditEntry } from '@kiln/contracts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runCli } from '../../cli.ts';
import { fakeIo } from '../../testing/fake-io.ts';
import { RealPool } from '../../testing/real-pool.ts';

let pool: RealPool;
beforeAll(async () => {
  pool = await RealPool.start();
});
afterAll(() => pool[Symbol.asyncDispose]());

const at = (token = pool.token) => fakeIo({ env: { ...pool.env, KILN_TOKEN: token } });
async function run(line: string, io = at()) {
  const code = await runCli(line.split(' '), io);
  return { code, out: io.stdout.text, err: io.stderr.text };
}

describe('kiln audit', () => {
  it('prints who did what, a line each, and whole entries with --json', async () => {
    const token = (await run('token create --team web ci')).out.trim();
    await run('token create --team web x', at(token));
    await run('whoami', at('nobody'));
    const { code, out } = await run('audit');
    expect(code).toBe(0);
    const [created, refused, unknown] = out.split('\n');
    const when = '20\\d\\d-\\d\\d-\\d\\dT[\\d:]{8}Z';
    expect(created).toMatch(new RegExp(`^${when} done {4}createToken \\w{26} by local admin from 127.0.0.1: kind=api`));
    expect(refused).toMatch(
      new RegExp(`^${when} refused createToken by ci \\(web\\) from .*scope admin.*\\[forbidden\\]`),
    );
    expect(unknown).toMatch(new RegExp(`^${when} refused whoami by anonymous from `));
    const lines = (await run('audit --json --since 1h')).out.trim().split('\n');
    expect(lines.map((line) => auditEntry.parse(JSON.parse(line)).action)).toEqual([
      ...['createToken', 'createToken', 'whoami'],
    ]);
    expect((await run('audit --until 2020-01-01')).out).toBe('');
    expect(out).not.toContain(token);
  });

  it('goes on with what comes, until Ctrl-C', async () => {
    const io = at();
    const following = run('audit -f --json --since 0s', io);
    const printed = (count: number) =>
      expect.poll(() => io.stdout.text.split('\n').length - 1, { timeout: 10_000 }).toBe(count);
    await run('host cordon nobody');
    await printed(1);
    await run('host uncordon nobody');
    await printed(2);
    io.interrupt();
    expect((await following).code).toBe(130);
  });

  it('says what is wrong with a time', async () => {
    expect(await run('audit --since yesterday')).toMatchObject({
      ...{ code: 125, err: expect.stringContaining('--since yesterday: expected a span such as 24h') },
    });
  });
});
