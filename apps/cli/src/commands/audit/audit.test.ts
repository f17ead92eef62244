import { auditEntry } from '@kiln/contracts';
import { describe, expect, it } from 'vitest';
import { runIn } from '../../testing/run.ts';
import { withRealPool } from '../../testing/with-real-pool.ts';

const cli = withRealPool();
const run = (line: string, token = cli.pool.token) => cli.run(line, { env: { KILN_TOKEN: token } });

describe('kiln audit', () => {
  it('prints a line per entry, and complete entries with --json', async () => {
    const token = (await run('token create --team web ci')).out.trim();
    await run('token create --team web x', token);
    await run('whoami', 'nobody');
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

  it('follows new entries with -f until Ctrl-C', async () => {
    const io = cli.io();
    const following = runIn(io, 'audit -f --json --since 0s');
    const printed = (count: number) =>
      expect.poll(() => io.stdout.text.split('\n').length - 1, { timeout: 60_000 }).toBe(count);
    await run('host cordon nobody');
    await printed(1);
    await run('host uncordon nobody');
    await printed(2);
    io.interrupt();
    expect((await following).code).toBe(130);
  });

  it('refuses a malformed time', async () => {
    expect(await run('audit --since yesterday')).toMatchObject({
      ...{ code: 125, err: expect.stringContaining('--since: got "yesterday", expected a span such as 24h') },
    });
  });
});
