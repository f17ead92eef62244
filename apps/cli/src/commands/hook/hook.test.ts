import { describe, expect, it } from 'vitest';
import { withRealPool } from '../../testing/with-real-pool.ts';

const cli = withRealPool();

describe('kiln hook', () => {
  it('creates a webhook and prints only its secret, lists it and removes it', async () => {
    const made = await cli.run('hook create --team web -e build.failed,build.started https://target.example/x');
    expect(made).toMatchObject({ code: 0, out: expect.stringMatching(/^whsec_[\w+/]{43}=\n$/) });
    const id = /webhook (\w{26})/.exec(made.err)?.[1] ?? '';
    expect((await cli.run('hook ls')).out).toMatch(
      new RegExp(`${id} +web +on +\\ds +failed,started +https://target.example/x`),
    );
    expect(await cli.run(`hook messages ${id}`)).toMatchObject({ code: 0, err: 'kiln: no messages\n' });
    expect(await cli.run(`hook rm ${id}`)).toMatchObject({ code: 0, out: `${id} removed\n` });
    expect(await cli.run(`hook resend ${id} msg_${'a'.repeat(27)}`)).toMatchObject({
      code: 125,
      err: expect.stringContaining('kiln hook ls'),
    });
  });

  it('rotates the secret of a webhook and prints only the new one', async () => {
    const made = await cli.run('hook create --team web https://target.example/x');
    const id = /webhook (\w{26})/.exec(made.err)?.[1] ?? '';
    const rotated = await cli.run(`hook rotate-secret ${id}`);
    expect(rotated).toMatchObject({ code: 0, out: expect.stringMatching(/^whsec_[\w+/]{43}=\n$/) });
    expect(rotated.out).not.toBe(made.out);
    expect(rotated.err).toMatch(/^kiln: webhook \w{26}: the old secret is valid until \d{4}-/);
  });

  it.each([
    ['hook create https://a --event build.exploded', '--event: got "build.exploded", expected build.queued'],
    ['hook create ftp://a', 'url: got "ftp://a"'],
    ['hook redeliver', 'use kiln hook resend'],
  ])('refuses %s', async (line, words) => {
    expect(await cli.run(line)).toMatchObject({ code: 125, out: '', err: expect.stringContaining(words) });
  });
});
