import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { kilnConfigJsonSchema } from '@kiln/contracts';
import { describe, expect, it } from 'vitest';
import { runCli } from '../../cli.ts';
import { fakeIo } from '../../testing/fake-io.ts';
import { TempDir } from '../../testing/temp-dir.ts';

const CONFIG = `version: 1
on:
  push: { branches: [main] }
  pull_request:
images:
  - name: api
    context: services/api
    paths: ['services/api/**']
    tags: ['registry.example.org/harbor/api:{branch}']
    output: push
    secrets: [NPM_TOKEN]
  - name: docs
    paths: ['docs/**']
    supersede: queued
`;

const payload = (path: string) =>
  readFile(new URL(`../../../../../packages/forges/src/testing/payloads/${path}.json`, import.meta.url), 'utf8');

async function run(line: string, files: Record<string, string> = {}, stdin?: string) {
  await using dir = await TempDir.with(files);
  const io = fakeIo({
    env: { NO_COLOR: '1' },
    cwd: dir.path,
    ...(stdin !== undefined && { stdin: Buffer.from(stdin) }),
  });
  const code = await runCli(line.split(' '), io);
  return { code, out: io.stdout.text, err: io.stderr.text };
}

describe('kiln config check', () => {
  it('accepts a valid file', async () => {
    expect(await run('config check', { '.kiln.yaml': CONFIG })).toEqual({
      code: 0,
      out: '.kiln.yaml is valid; 2 images: api, docs\n',
      err: '',
    });
  });

  it('reports all problems in the format of editors and CI', async () => {
    const wrong = CONFIG.replace('output: push', 'output: pish').replace('supersede: queued', 'supercede: queued');
    expect(await run('config check sub/k.yaml', { 'sub/k.yaml': wrong })).toEqual({
      code: 1,
      out: '',
      err:
        'sub/k.yaml:10:5: images[0].output: got "pish", expected "push" or "none"\n' +
        'sub/k.yaml:14:5: images[1].supercede: got "queued", expected no such field\n',
    });
  });

  it('accepts the example of the documentation', async () => {
    const page = await readFile(new URL('../../../../../docs/use/webhooks.md', import.meta.url), 'utf8');
    const example = /```yaml\n(# yaml-language-server.*?)```/s.exec(page)?.[1] ?? '';
    expect(await run('config check -', {}, example)).toEqual({
      code: 0,
      out: '- is valid; 2 images: api, docs\n',
      err: '',
    });
    const event = /```json\n(.*?)```/s.exec(page)?.[1] ?? '';
    const { out } = await run('config explain --event -', { '.kiln.yaml': example }, event);
    expect(out).toContain('services/api/src/main.ts changed');
  });

  it('reads standard input and prints JSON', async () => {
    const { code, out } = await run('config check --json -', {}, 'version: 3\nimages: 1\n');
    expect(code).toBe(1);
    expect(JSON.parse(out)).toMatchObject({
      file: '-',
      valid: false,
      problems: [
        { line: 1, column: 1, field: 'version', got: '3', expected: '1' },
        { line: 2, field: 'images' },
      ],
    });
    expect(JSON.parse((await run('config check --json -', {}, CONFIG)).out)).toEqual({
      file: '-',
      valid: true,
      problems: [],
    });
  });

  it.each([
    ['config check', '.kiln.yaml: no such file'],
    ['config check .', "can't read .: EISDIR"],
    ['config check a b', 'got 2 arguments, expected at most 1; usage: kiln config check [FLAGS] [FILE]'],
    ['config chekc', 'no command kiln config chekc; did you mean check?'],
    ['config check --jsn', 'unknown flag: --jsn; did you mean --json?'],
  ])('refuses %s', async (line, message) => {
    expect(await run(line)).toMatchObject({ code: 125, err: expect.stringContaining(message) });
  });

  it('refuses a file that is not text', async () => {
    await using dir = await TempDir.with({});
    const io = fakeIo({ cwd: dir.path, stdin: Buffer.from([0xff]) });
    expect(await runCli(['config', 'check', '-'], io)).toBe(125);
    expect(io.stderr.text).toContain('is not UTF-8 text');
  });
});

describe('kiln config explain', () => {
  it('shows which images a push builds, and why not the others', async () => {
    const event = (await payload('github/push')).replaceAll('docs/', 'notes/');
    const { code, out } = await run('config explain --event e.json', { '.kiln.yaml': CONFIG, 'e.json': event });
    expect(code).toBe(0);
    expect(out).toMatch(
      new RegExp(
        [
          '^github: push to main of tidewater-labs/harbor at [0-9a-f]{12}',
          'build   api',
          '        source   https://github\\.com/tidewater-labs/harbor\\.git#[0-9a-f]{40}:services/api',
          '        push     registry\\.example\\.org/harbor/api:main',
          '        secrets  NPM_TOKEN',
          '        note     services/api/src/berths\\.ts changed',
          'skip    docs: no changed path \\(services/api/src/berths\\.ts, .*\\) matches docs/\\*\\*',
          '$',
        ].join('\n'),
      ),
    );
  });

  it.each([
    ['github/pull_request-opened-fork', '', 'build   api, untrusted'],
    ['github/pull_request-opened-fork', '', 'secrets withheld from a fork: NPM_TOKEN'],
    ['github/ping', '', 'nothing to build: ping'],
    ['bitbucket/push', '', 'note     paths unknown, so it is built: Bitbucket doesn’t list'],
    ['gitlab/push', ' --changed x/y', 'skip    docs: no changed path (x/y) matches docs/**'],
    ['gitea/pull_request-closed', '', 'cancel  api: the pull request was closed'],
    ['gitea/push', ' --forge gitea --event-name issues', 'nothing to build: Kiln does nothing about issues events'],
    ['bitbucket/pullrequest-created', '', 'pull request 42 of tidewater/harbor synchronised'],
    ['bitbucket/pullrequest-created', ' --event-name pullrequest:created', 'tidewater/harbor opened'],
    ['bitbucket/push-several', '', 'tag v1.4.0 of tidewater/harbor'],
  ])('explains %s%s: %s', async (path, flags, expected) => {
    const { code, out, err } = await run(
      `config explain --config k.yaml --event -${flags}`,
      { 'k.yaml': CONFIG },
      await payload(path),
    );
    expect({ code, err }).toEqual({ code: 0, err: '' });
    expect(out).toContain(expected);
  });

  it('accepts an event in Kiln’s own form, and the server’s settings', async () => {
    const repository = { fullName: 'a/b', cloneUrl: 'https://git.example.org/a/b.git' };
    const changed = { complete: true, paths: ['docs/x'] };
    const after = 'ab'.repeat(20);
    const event = {
      type: 'push',
      forge: 'gitea',
      repository,
      branch: 'main',
      before: null,
      after,
      deleted: false,
      changed,
    };
    const files = { '.kiln.yaml': CONFIG, 'e.json': JSON.stringify(event), 's.json': '{"team":"boats"}' };
    const { out } = await run('config explain --event e.json --settings s.json --json', files);
    expect(JSON.parse(out)).toMatchObject({
      events: [
        {
          images: [
            { image: 'api', outcome: 'skip', filter: 'paths', value: 'docs/x', patterns: ['services/api/**'] },
            { image: 'docs', outcome: 'build', request: { team: 'boats', supersede: 'queued' } },
          ],
        },
      ],
    });
  });

  it('removes control sequences from paths', async () => {
    const event = (await payload('github/push')).replaceAll('services/api/src', 'services/api/\\u001b[2Jx');
    const { out } = await run('config explain --event -', { '.kiln.yaml': CONFIG }, event);
    expect(out).toContain('services/api/x/berths.ts changed');
    expect(out).not.toContain('\u001b');
  });

  it.each([
    ['config explain', '--event is required'],
    ['config explain --event nope.json', 'nope.json: no such file'],
    ['config explain --event bad.json', 'bad.json is not valid JSON'],
    ['config explain --event empty.json', 'does not look like a webhook of a known forge'],
    ['config explain --event empty.json --forge svn', '--forge: got "svn", expected github, gitlab, gitea, bitbucket'],
  ])('refuses %s', async (line, message) => {
    const files = { '.kiln.yaml': CONFIG, 'bad.json': '{', 'empty.json': '{}' };
    expect(await run(line, files)).toMatchObject({ code: 125, err: expect.stringContaining(message) });
  });

  it.each([
    ['--event e.json --config wrong.yaml', 'wrong.yaml:1:1: version: got nothing, expected 1'],
    ['--event wrong.json', 'wrong.json: before: got nothing, expected string'],
    ['--event own.json', 'own.json: branch: got nothing, expected string'],
    ['--event e.json --settings s.json', 's.json: teem: got 1, expected no such field'],
  ])('%s: reports the problem and exits with 1', async (flags, message) => {
    const files = {
      '.kiln.yaml': CONFIG,
      'wrong.yaml': 'images: []\n',
      'e.json': await payload('gitlab/push'),
      'wrong.json': '{"object_kind":"push","ref":"refs/heads/main"}',
      'own.json': '{"type":"push","forge":"github"}',
      's.json': '{"teem":1}',
    };
    expect(await run(`config explain ${flags}`, files)).toMatchObject({
      code: 1,
      err: expect.stringContaining(message),
    });
  });
});

describe('kiln config schema', () => {
  const committed = fileURLToPath(new URL('../../../../../docs/kiln.schema.json', import.meta.url));

  it('prints the schema that is committed as docs/kiln.schema.json; renew it with `kiln config schema`', async () => {
    const { code, out } = await run('config schema');
    expect(code).toBe(0);
    expect(JSON.parse(out)).toEqual(kilnConfigJsonSchema());
    expect(JSON.parse(await readFile(committed, 'utf8'))).toEqual(JSON.parse(out));
  });

  it('is listed with the other commands in the help', async () => {
    expect((await run('config --help')).out).toMatch(/ check .* explain .* schema /s);
    expect((await run('config explain --help')).out).toContain('--event-name NAME');
  });
});
