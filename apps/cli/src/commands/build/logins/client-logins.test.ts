import { chmod, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { TempDir } from '../../../testing/temp-dir.ts';
import { withBuild } from '../../../testing/with-build.ts';

const cli = withBuild();
let home: TempDir;
beforeEach(async () => {
  home = await TempDir.with({ 'bin/': '', '.docker/': '' });
});
afterEach(() => home[Symbol.asyncDispose]());

const auth = (text: string) => ({ auth: Buffer.from(text).toString('base64') });
const configure = (config: object | string, path = '.docker/config.json') =>
  writeFile(join(home.path, path), typeof config === 'string' ? config : JSON.stringify(config));

/** Installs a credential helper that notes what it is asked. */
async function install(name: string, body: string): Promise<void> {
  const file = join(home.path, 'bin', `docker-credential-${name}`);
  await writeFile(file, `#!/bin/sh\nread -r server\necho "$1 $server" >> ${home.path}/asked\n${body}\n`);
  await chmod(file, 0o755);
}
const asked = async () => (await readFile(join(home.path, 'asked'), 'utf8').catch(() => '')).split('\n').sort();

/** Submits a build; returns the logins that it has, and what was said before. */
async function build(line: string, env: Record<string, string> = {}) {
  const path = `${home.path}/bin:${process.env.PATH}`;
  const { code, err } = await cli.run(`build -d ${line}`, { env: { HOME: home.path, PATH: path, ...env } });
  expect([code, err]).toEqual([0, expect.anything()]);
  const sent = cli.api.seen.findLast(({ method, path: to }) => method === 'POST' && to === '/v1/builds');
  const request = JSON.parse(sent?.body.toString() ?? '') as { registryLogins?: unknown };
  const other = /^kiln: (?:\w+: \d+ files?, |no output is given)/;
  const said = err.split('\n').filter((text) => text.startsWith('kiln: ') && !other.test(text));
  return { logins: request.registryLogins, said };
}
const ADA = { username: 'ada', password: 'hunter22' };

describe('kiln build sends this machine’s registry logins', () => {
  it('only to registries that the tags, caches and the Dockerfile name', async () => {
    const names = [
      'context.example',
      'tag.example',
      'cache.example',
      'base.example:5000',
      'from.example',
      'sbom.example',
      'other.example',
    ];
    await configure({ auths: Object.fromEntries(names.map((name) => [`https://${name}/v1/`, auth('ada:hunter22')])) });
    await writeFile(
      join(cli.dir.path, 'Dockerfile'),
      'ARG R=other.example\nFROM $R/base AS b\nFROM scratch\nCOPY --from=b /x /x\nCOPY --from=from.example/x /y /y\n',
    );
    const contexts = '--build-context b=src --build-context c=docker-image://context.example/x';
    const flags = '--build-arg R=base.example:5000 --cache-from cache.example/a:c --sbom generator=sbom.example/s';
    const { logins, said } = await build(`--push -t tag.example/a:1 ${contexts} ${flags} .`);
    expect(logins).toEqual(
      ['tag.example', 'cache.example', 'sbom.example', 'context.example', 'base.example:5000', 'from.example'].map(
        (registry) => ({
          registry,
          ...ADA,
        }),
      ),
    );
    expect(said).toEqual([]);
    expect((await build('https://git.example/app.git')).logins).toBeUndefined();
    const named = '--client-login https://other.example/ --client-login none.example https://git.example/app.git';
    expect(await build(named)).toEqual({
      logins: [{ registry: 'other.example', ...ADA }],
      said: ['kiln: --client-login none.example: this machine has no login to it'],
    });
  });

  it('from DOCKER_AUTH_CONFIG before DOCKER_CONFIG before the home directory', async () => {
    const of = (user: string, ...names: string[]) => ({
      auths: Object.fromEntries(names.map((name) => [name, auth(`${user}:hunter22`)])),
    });
    await configure(of('home', 'a.example', 'b.example', 'c.example'));
    await configure(of('config', 'a.example', 'b.example'), 'config.json');
    const tags = '-t a.example/x -t b.example/x -t c.example/x .';
    const users = async (env: Record<string, string>) => {
      const { logins } = await build(tags, env);
      return (logins as { registry: string; username: string }[]).map(({ registry, username }) => [registry, username]);
    };
    expect(await users({})).toEqual(['a', 'b', 'c'].map((name) => [`${name}.example`, 'home']));
    const variables = { DOCKER_CONFIG: home.path, DOCKER_AUTH_CONFIG: JSON.stringify(of('env', 'a.example')) };
    expect(await users(variables)).toEqual([
      ['a.example', 'env'],
      ['b.example', 'config'],
    ]);
  });

  it('from credential helpers, which are asked for nothing else', async () => {
    await install('store', `printf '{"ServerURL":"%s","Username":"ada","Secret":"hunter22"}' "$server"`);
    await install('cloud', `echo '{"ServerURL":"x","Username":"<token>","Secret":"hunter33"}'`);
    await configure({
      auths: { 'r.example': {}, 'other.example': {} },
      credsStore: 'store',
      credHelpers: { 'cloud.example': 'cloud', 'other.example': 'cloud' },
    });
    const { logins, said } = await build('-t cloud.example/a -t r.example/a .');
    expect([logins, said]).toEqual([
      [
        { registry: 'cloud.example', identityToken: 'hunter33' },
        { registry: 'r.example', ...ADA },
        { registry: 'docker.io', ...ADA },
      ],
      [],
    ]);
    expect((await asked()).filter(Boolean)).toEqual([
      'get cloud.example',
      'get https://index.docker.io/v1/',
      'get r.example',
    ]);
  });

  it('without those that can’t be read, each with one line', async () => {
    await install('none', 'echo credentials not found in native keychain; exit 1');
    await install('locked', 'echo the store is locked; exit 1');
    await install('chatty', 'echo hunter22');
    await configure({
      auths: { 'bad.example': { auth: 'hunter22' } },
      credHelpers: {
        ...{ 'none.example': 'none', 'locked.example': 'locked', 'chatty.example': 'chatty' },
        ...{ 'gone.example': 'gone', 'path.example': '../x' },
      },
    });
    const registries = ['bad', 'none', 'locked', 'chatty', 'gone', 'path'];
    const { logins, said } = await build(`${registries.map((name) => `-t ${name}.example/a`).join(' ')} .`);
    expect(logins).toBeUndefined();
    expect(said.sort()).toEqual([
      'kiln: the login to bad.example is not used: auths["bad.example"].auth is not the base64 of USER:PASSWORD',
      'kiln: the login to chatty.example is not used: docker-credential-chatty printed something other than JSON',
      'kiln: the login to gone.example is not used: docker-credential-gone is not installed, or not in PATH',
      'kiln: the login to locked.example is not used: docker-credential-locked failed: the store is locked',
      'kiln: the login to path.example is not used: got "../x", expected the name of a helper',
    ]);
    await configure('{');
    expect((await build('-t r.example/a .')).said).toEqual([
      `kiln: registry logins are not used: ${home.path}/.docker/config.json is not a JSON object`,
    ]);
    expect((await build('-t r.example/a .', { HOME: '', DOCKER_AUTH_CONFIG: 'x' })).said).toEqual([
      'kiln: DOCKER_AUTH_CONFIG is ignored: it is not a JSON object',
    ]);
  });

  it('unless they are switched off', async () => {
    await configure({ auths: { 'r.example': auth('ada:hunter22') } });
    expect((await build('--no-client-logins -t r.example/a .')).logins).toBeUndefined();
    expect((await build('-t r.example/a .', { KILN_CLIENT_LOGINS: 'off' })).logins).toBeUndefined();
    expect((await build('-t r.example/a .', { KILN_CLIENT_LOGINS: 'on' })).logins).toHaveLength(1);
    const wrong = await cli.run('build --push -t r.example/a .', {
      env: { HOME: home.path, KILN_CLIENT_LOGINS: 'no' },
    });
    expect([wrong.code, wrong.err]).toEqual([125, 'kiln: KILN_CLIENT_LOGINS: got "no", expected on or off\n']);
    const flag = await cli.run('build -d --push -t a --client-login r .', { env: { HOME: home.path } });
    expect([flag.code, flag.err]).toEqual([
      125,
      'kiln: --client-login: got "r", expected the host[:port] of a registry, or docker.io\n',
    ]);
  });

  it('but not to a server of a version that takes none', async () => {
    await configure({ auths: { 'r.example': auth('ada:hunter22') } });
    const errors = [{ field: 'registryLogins', got: 'a value that is not shown', expected: 'no such field' }];
    const refusal = { status: 400, code: 'invalid_request', detail: 'registryLogins: no such field', errors } as const;
    cli.api.refusals.set('POST /v1/builds', [refusal]);
    const { code, err } = await cli.run('build -d -t r.example/a .', { env: { HOME: home.path } });
    expect([code, (await cli.submitted()).request.registryLogins]).toEqual([0, undefined]);
    expect(err).toContain(
      'the server is of a version that takes no registry logins of clients; the build goes without them',
    );
  });
});

describe('kiln retry', () => {
  it('sends this machine’s logins to the registries for which the first build had some', async () => {
    await configure({ auths: { 'r.example': auth('ada:hunter22'), 'other.example': auth('ada:hunter33') } });
    const { id, request } = cli.api.build;
    cli.api.build = { ...cli.api.build, request: { ...request, clientLogins: { registries: ['r.example'] } } };
    const retried = async (line: string) => {
      expect(await cli.run(line, { env: { HOME: home.path } })).toMatchObject({ code: 0 });
      return cli.api.seen.findLast(({ path }) => path.endsWith('/retry'))?.body.toString();
    };
    expect(await retried(`retry ${id}`)).toBe(JSON.stringify({ registryLogins: [{ registry: 'r.example', ...ADA }] }));
    expect(await retried(`retry --no-client-logins ${id}`)).toBe('');
    cli.api.build = { ...cli.api.build, request };
    expect(await retried(`retry ${id}`)).toBe('');
  });
});
