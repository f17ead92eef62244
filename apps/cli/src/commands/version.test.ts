import { describe, expect, it } from 'vitest';
import { CLI_VERSION } from '../cli-version.ts';
import { run, runIn } from '../testing/run.ts';
import { TempDir } from '../testing/temp-dir.ts';
import { withFakeApi } from '../testing/with-fake-api.ts';

const cli = withFakeApi();
const [major, minor] = CLI_VERSION.split('.').map(Number);
const NEWER = `${major}.${Number(minor) + 1}.0`;
const OTHER = `${Number(major) + 1}.0.0`;
const misfit = (server: string) =>
  `kiln: this is kiln ${CLI_VERSION}, which does not fit the server's version ${server}: it may refuse what this command sends; install kiln ${server}\n`;

describe('kiln version', () => {
  it.each([
    ['the same version', CLI_VERSION, true],
    ['a newer minor version', NEWER, true],
    ['another major version', OTHER, false],
  ])('shows a server of %s, and whether it fits', async (_, version, fits) => {
    cli.api.version = version;
    const out = `kiln ${CLI_VERSION}\nserver ${version} (${cli.api.url})\n`;
    for (const line of ['version', '--version']) {
      expect(await cli.run(line)).toEqual({ code: 0, out, err: fits ? '' : misfit(version) });
    }
    const { code, out: json } = await cli.run('version --json');
    expect([code, JSON.parse(json)]).toEqual([
      0,
      { version: CLI_VERSION, server: { url: cli.api.url, version, fits } },
    ]);
    expect(cli.api.seen.map(({ headers }) => headers.authorization)).toEqual([undefined, undefined, undefined]);
  });

  it('shows only its own version without a server', async () => {
    await using home = await TempDir.with({});
    const env = { HOME: home.path };
    expect(await run('--version', { env })).toEqual({ code: 0, out: `kiln ${CLI_VERSION}\n`, err: '' });
    const { out } = await run('version --json', { env });
    expect(JSON.parse(out)).toEqual({ version: CLI_VERSION });
  });

  it.each([
    ['doesn’t answer', true, 'no answer within 2 s'],
    ['doesn’t tell its version', false, 'it is too old to tell it'],
  ])('succeeds, and does not wait longer, if the server %s', async (_, isSilent, error) => {
    cli.api.isSilent = isSilent;
    const io = cli.io();
    const { code, out } = await runIn(io, 'version --json');
    expect([code, io.exits, JSON.parse(out)]).toEqual([
      0,
      [0],
      { version: CLI_VERSION, server: { url: cli.api.url, error } },
    ]);
  });

  it('succeeds if nothing listens at the server’s address', async () => {
    const { code, out, err } = await cli.run('--version --url http://127.0.0.1:1');
    expect([code, out]).toEqual([0, `kiln ${CLI_VERSION}\n`]);
    expect(err).toMatch(/^kiln: the server's version is not known: .*ECONNREFUSED/);
  });
});

describe('kiln build', () => {
  it('warns once that it does not fit the server, also if its request is refused', async () => {
    await using dir = await TempDir.with({ Dockerfile: 'FROM scratch\n' });
    cli.api.version = OTHER;
    cli.api.onSubmit = () => cli.api.end('succeeded');
    const line = ['build', '--progress', 'plain', '--repo', 'app', dir.path];
    const built = await cli.run(line);
    expect(built.code).toBe(0);
    expect(built.err.split(misfit(OTHER))).toHaveLength(2);
    const refusal = { status: 400, code: 'invalid_request', detail: 'a new field' } as const;
    cli.api.refusals.set('POST /v1/builds', [refusal]);
    const refused = await cli.run(line);
    expect(refused.code).toBe(125);
    expect(refused.err.split(misfit(OTHER))).toHaveLength(2);
    cli.api.version = NEWER;
    expect((await cli.run(line)).err).not.toContain('does not fit');
  });
});
