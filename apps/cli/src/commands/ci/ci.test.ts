import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { runCli } from '../../cli.ts';
import { Channel } from '../../io/output.ts';
import { FakeSink } from '../../testing/fake-io.ts';
import { step, withBuild } from '../../testing/with-build.ts';
import { failingLine } from './failing-line.ts';
import { GroupedView } from './grouped-view.ts';
import { readInputs } from './inputs.ts';
import { jobLog } from './job-log.ts';

const cli = withBuild();
const DIGEST = `sha256:${'ab'.repeat(32)}`;
const EXCERPT = 'Dockerfile:2\n--------------------\n   1 |     FROM x\n   2 | >>> RUN make\n--------------------';
const FAILURE = { code: 'step_failed', message: 'RUN make exited with 2, 100%', excerpt: EXCERPT } as const;

/** The environment that the runner documents, with its files in the directory of the build. */
const github = () => ({
  ...{ GITHUB_ACTIONS: 'true', GITHUB_OUTPUT: join(cli.dir.path, 'output'), INPUT_CONTEXT: '.' },
  GITHUB_STEP_SUMMARY: join(cli.dir.path, 'summary.md'),
});
const file = (name: string) => readFile(join(cli.dir.path, name), 'utf8');

function fail(): void {
  cli.api.log(step({}));
  cli.api.log({ t: 1_500, type: 'output', step: 1, stream: 'stderr', data: 'make: broken\n::set-output name=a::b\n' });
  cli.api.log({ t: 1_600, type: 'note', message: 'the registry said:\n::add-path::/evil' });
  cli.api.log(step({ t: 2_000, state: 'failed', ms: 1_000, error: 'exit code: 2' }));
  cli.api.end('failed', FAILURE);
}

describe('readInputs', () => {
  it.each([
    [
      { INPUT_TAGS: 'a:1\nb:2, c:3', INPUT_PUSH: 'true', INPUT_LOAD: 'false' },
      '--push --tag a:1 --tag b:2 --tag c:3 .',
    ],
    [{ INPUT_BUILD_ARGS: 'A=1,2\n\nB=x y' }, '--build-arg A=1,2 --build-arg B=x y .'],
    [{ INPUT_PLATFORMS: 'linux/amd64,linux/arm64' }, '--platform linux/amd64,linux/arm64 .'],
    [{ INPUT_CONTEXT: 'services/a', INPUT_FILE: 'build/Dockerfile' }, '--file build/Dockerfile services/a'],
    [{ INPUT_OUTPUTS: 'type=local,dest=out' }, '--output type=local,dest=out .'],
    [{ INPUT_SECRET_ENVS: 'npm=NPM_TOKEN' }, '--secret id=npm,env=NPM_TOKEN .'],
    [{ INPUT_SECRET_FILES: 'key=a.pem' }, '--secret id=key,src=a.pem .'],
    [{ INPUT_TEAM: 'web', INPUT_REPO: 'app', INPUT_TARGET: '' }, '--repo app --team web .'],
    [{ INPUT_NO_CACHE: 'True', INPUT_PULL: 'true' }, '--pull --no-cache .'],
  ])('reads %j', (env, args) => {
    expect(readInputs(env, 'INPUT_').args.join(' ')).toBe(args);
  });

  it('reads lists, maps and the image of Woodpecker’s settings', () => {
    const env = { PLUGIN_REPO: 'r.example/app', PLUGIN_TAGS: 'latest,1.0', PLUGIN_BUILD_ARGS: '{"A":"1","B":"x,y"}' };
    expect(readInputs(env, 'PLUGIN_').args).toEqual([
      ...['--tag', 'r.example/app:latest', '--tag', 'r.example/app:1.0'],
      ...['--build-arg', 'A=1', '--build-arg', 'B=x,y', '.'],
    ]);
  });

  it('puts no value of a secret on the command line', () => {
    const { args, env } = readInputs({ INPUT_SECRETS: 'npm=top=secret' }, 'INPUT_');
    expect(args).toEqual(['--secret', 'id=npm,env=KILN_CI_SECRET_0', '.']);
    expect(env).toEqual({ KILN_CI_SECRET_0: 'top=secret' });
  });

  it('finds the Dockerfile for annotations', () => {
    const of = (env: Record<string, string>) => readInputs(env, 'INPUT_').dockerfile;
    expect([of({}), of({ INPUT_CONTEXT: './a/' }), of({ INPUT_CONTEXT: 'a', INPUT_FILE: 'b/D' })]).toEqual([
      'Dockerfile',
      'a/Dockerfile',
      'b/D',
    ]);
    expect(of({ INPUT_CONTEXT: 'https://git.example/app.git' })).toBeUndefined();
  });

  it('names the input that is wrong', () => {
    expect(() => readInputs({ INPUT_PUSH: 'yes' }, 'INPUT_')).toThrow('INPUT_PUSH: got "yes", expected true or false');
    expect(() => readInputs({ INPUT_SECRETS: 'x' }, 'INPUT_')).toThrow('input secrets: got an entry without "="');
  });
});

it.each([
  [EXCERPT, 2],
  ['   9 |     FROM x\n  10 | >>> RUN a | b', 10],
  ['   1 |     RUN echo ">>> x"', undefined],
  [undefined, undefined],
])('failingLine finds the marked line', (excerpt, line) => {
  expect(failingLine(excerpt)).toBe(line);
});

describe('the log of a job', () => {
  it('has the output of parallel steps in groups, one after the other', () => {
    const sink = new FakeSink();
    const view = new GroupedView(
      new Channel(sink, {}),
      jobLog('github', () => 7),
    );
    const out = (number: number, data: string) =>
      view.record({ ...{ id: '1.1', t: 1, type: 'output', stream: 'stdout' }, step: number, data } as const);
    const is = (number: number, state: 'started' | 'completed' | 'cached', ms?: number) =>
      view.record({ ...{ id: '1.1', t: 1, type: 'step', name: `RUN ${number}` }, step: number, state, ms } as const);
    is(1, 'cached');
    is(2, 'started');
    is(3, 'started');
    out(2, 'a\nb');
    out(3, 'x\n');
    out(2, 'c\n');
    is(3, 'completed', 1_500);
    out(2, 'd\n');
    is(2, 'completed', 2_000);
    is(4, 'started');
    is(4, 'completed', 100);
    view.close();
    expect(sink.text).toBe(
      'CACHED RUN 1\n' +
        '::group::RUN 2\na\nbc\nd\nDONE 2.0s\n::endgroup::\n' +
        '::group::RUN 3\nx\nDONE 1.5s\n::endgroup::\n' +
        'RUN 4 DONE 0.1s\n',
    );
  });

  it('has collapsed sections in GitLab', () => {
    const log = jobLog('gitlab', () => 1_700_000_000);
    expect(log.open(3, 'RUN make')).toBe(
      '\u001b[0Ksection_start:1700000000:kiln_3[collapsed=true]\r\u001b[0KRUN make\n',
    );
    expect(log.close(3)).toBe('\u001b[0Ksection_end:1700000000:kiln_3\r\u001b[0K\n');
  });
});

describe('kiln ci', () => {
  it('in GitHub Actions sets outputs and writes a summary', async () => {
    cli.api.onSubmit = () => {
      cli.api.whySlow = { savedMs: 61_000 } as typeof cli.api.whySlow;
      cli.succeed({ digest: DIGEST, pushed: ['r.example/app:1'] });
    };
    const env = { ...github(), INPUT_TAGS: 'r.example/app:1', INPUT_PUSH: 'true' };
    const { code, out, err } = await cli.run('ci', { env, cwd: cli.dir.path });
    expect([code, err]).toEqual([0, '']);
    expect((await cli.submitted()).request).toMatchObject({ tags: ['r.example/app:1'], output: { type: 'push' } });
    expect(out).toContain('::group::[2/2] RUN make\nhello\nDONE 1.0s\n::endgroup::\n');
    const { id } = cli.api.build;
    const outputs = await file('output');
    expect(outputs).toContain(`digest<<KILN_EOF\n${DIGEST}\nKILN_EOF\n`);
    expect(outputs).toContain(`build-id<<KILN_EOF\n${id}\nKILN_EOF\n`);
    const metadata = /metadata<<KILN_EOF\n(.*)\nKILN_EOF/.exec(outputs)?.[1] ?? '';
    expect(JSON.parse(metadata)).toMatchObject({ 'containerimage.digest': DIGEST, 'kiln.build': id });
    const summary = await file('summary.md');
    expect(summary).toContain(`| Build | [${id}](${cli.api.url}/builds/${id}) |\n| Result | succeeded |`);
    expect(summary).toContain('| Saved by caches | about 1m01s |');
  });

  it('in GitHub Actions annotates the failing line, and lets the build give the runner no orders', async () => {
    cli.api.onSubmit = fail;
    const { code, out } = await cli.run('ci', { env: { ...github(), INPUT_CONTEXT: '.' }, cwd: cli.dir.path });
    expect(code).toBe(1);
    expect(out).toMatch(/^::error file=Dockerfile,line=2,title=Build failed::.*RUN make exited with 2, 100%25/m);
    expect(out).not.toMatch(/^::(?:set-output|add-path)/m);
    expect(await file('summary.md')).toContain('| At | `Dockerfile:2` |');
  });

  it('in GitLab writes its reports', async () => {
    cli.api.onSubmit = fail;
    const env = { GITLAB_CI: 'true', KILN_CI_ID_FILE: 'kiln-build-id' };
    const { code, out } = await cli.run('ci', { env, cwd: cli.dir.path });
    expect(code).toBe(1);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: markers of sections
    expect(out).toMatch(/\u001b\[0Ksection_start:\d+:kiln_1\[collapsed=true\]\r\u001b\[0K\[2\/2\] RUN make\n/);
    const { id } = cli.api.build;
    expect(await file('kiln.env')).toContain(`KILN_BUILD_ID=${id}\n`);
    expect(await file('kiln-build-id')).toBe(`${id}\n`);
    const url = `${cli.api.url}/builds/${id}`;
    expect(JSON.parse(await file('kiln-annotations.json'))).toEqual({
      Kiln: [{ external_link: { label: `Kiln build ${id}`, url } }],
    });
    expect(JSON.parse(await file('kiln-codequality.json'))).toMatchObject([
      { check_name: 'kiln-build', location: { path: 'Dockerfile', lines: { begin: 2 } } },
    ]);
  });

  it.each([
    ['woodpecker', { CI: 'woodpecker', PLUGIN_REPO: 'r.example/app', PLUGIN_TAGS: '1', PLUGIN_PUSH: 'true' }],
    ['jenkins', { JENKINS_URL: 'http://j', KILN_INPUT_TAGS: 'r.example/app:1', KILN_INPUT_PUSH: 'true' }],
  ])('in %s reads its inputs, and writes a file of outputs', async (_runner, env) => {
    cli.api.onSubmit = () => cli.succeed({ digest: DIGEST });
    const { code, out } = await cli.run('ci', { env, cwd: cli.dir.path });
    expect(code).toBe(0);
    expect((await cli.submitted()).request).toMatchObject({ tags: ['r.example/app:1'] });
    expect(out).toContain('--- [2/2] RUN make\nhello\n');
    expect(await file('kiln.env')).toContain(`KILN_DIGEST=${DIGEST}\n`);
  });

  it('uses the settings of a plugin as the connection', async () => {
    cli.api.onSubmit = () => cli.succeed();
    const env = {
      CI: 'woodpecker',
      PLUGIN_URL: cli.api.url,
      PLUGIN_TOKEN: cli.api.token,
      KILN_URL: '',
      KILN_TOKEN: '',
    };
    expect(await cli.run('ci', { env, cwd: cli.dir.path })).toMatchObject({ code: 0 });
  });

  it('cancels the build with the job', async () => {
    const at = cli.io({ env: github() });
    cli.api.onSubmit = () => {
      cli.api.log(step({}));
      at.interrupt();
    };
    expect(await runCli(['ci'], at)).toBe(130);
    expect(cli.api.seen.filter(({ path }) => path.endsWith('/cancel'))).toHaveLength(1);
  });

  it('refuses to guess outside of a CI job', async () => {
    expect((await cli.run('ci')).err).toContain('this is no job of a CI system that is known; expected github, gitlab');
    expect((await cli.run('ci travis')).err).toContain('got "travis"; expected github, gitlab, woodpecker, jenkins');
  });
});
