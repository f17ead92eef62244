import { type ForgeEvent, repoSettings } from '@kiln/contracts';
import { describe, expect, it } from 'vitest';
import { parseConfig } from '../config/parse-config.ts';
import { CONFIG, changed, first, pull, push, request, secretsOf, server, verdicts } from '../testing/explaining.ts';
import { NOW_MS } from '../testing/fixtures.ts';
import { explain } from './explain.ts';

describe('a push', () => {
  it('builds the images whose filters it passes, with requests that the API accepts', () => {
    const { api, docs } = verdicts(push());
    expect(api).toMatchObject({
      outcome: 'build',
      trust: 'trusted',
      secrets: { NPM_TOKEN: 'NPM_TOKEN', key: 'SIGNING_KEY' },
      notes: [
        'services/api/src/berths.ts changed',
        expect.stringContaining('no {tag} on a push'),
        expect.stringContaining('no {pr}'),
      ],
    });
    expect(request(api)).toMatchObject({
      source: {
        type: 'git',
        url: 'https://github.com/tidewater-labs/harbor.git',
        ref: expect.stringMatching(/^[0-9a-f]{40}$/),
        subdir: 'services/api',
      },
      tags: ['registry.example.org/harbor/api:main', 'registry.example.org/harbor/api:latest'],
      storedSecrets: ['NPM_TOKEN', { id: 'key', name: 'SIGNING_KEY' }],
      output: { type: 'push' },
      priority: 'interactive',
      team: 'default',
    });
    expect(request(docs)).toMatchObject({ output: { type: 'none' }, buildArgs: { FORMAT: 'html' }, tags: [] });
    expect(request(docs).source).not.toHaveProperty('subdir');
  });

  it('passes on which modification times the files get', () => {
    const config = CONFIG.replace('    priority: interactive\n', '    priority: interactive\n    mtimes: submitted\n');
    expect(request(verdicts(push(), { config }).api)).toMatchObject({ mtimes: 'submitted' });
    expect(request(verdicts(push()).api)).toMatchObject({ mtimes: 'stable' });
  });

  it.each<[string, ForgeEvent, string, object]>([
    [
      'another branch',
      push({ branch: 'feature/x' }),
      'api',
      { filter: 'branches', value: 'feature/x', patterns: expect.arrayContaining(['main']) },
    ],
    [
      'an excluded branch',
      push({ branch: 'release/old/1' }),
      'api',
      { filter: 'branches', why: 'branch release/old/1 is excluded by !release/old/**' },
    ],
    ['a branch that matches nothing', push({ branch: 'a/b' }), 'docs', { why: 'branch a/b matches none of *' }],
    [
      'other paths',
      push(changed('web/x.ts')),
      'api',
      { filter: 'paths', value: 'web/x.ts', patterns: ['services/api/**'] },
    ],
    [
      'ignored paths',
      push(changed('services/api/README.md')),
      'api',
      { filter: 'paths-ignore', patterns: ['**/*.md'] },
    ],
    ['excluded paths', push(changed('docs/old/x')), 'docs', { filter: 'paths', value: 'docs/old/x' }],
    [
      'a tag, for an image that is built on branches only',
      first('github', 'push-tag'),
      'docs',
      { filter: 'tags', why: 'it is built on pushes of branches only' },
    ],
    ['a pull request, for an image that is built on pushes only', pull(), 'docs', { filter: 'pull_request' }],
    [
      'a pull request into another branch',
      pull({ base: { branch: 'dev' } }),
      'api',
      { filter: 'branches', value: 'dev', why: 'base branch dev matches none of main' },
    ],
  ])('names the first filter that excludes an image: %s', (_, event, image, expected) => {
    expect(verdicts(event)[image]).toMatchObject({ outcome: 'skip', ...expected });
  });

  it('waits for a host as its configuration says', () => {
    const wait = '    queueTimeoutSeconds: 600\n    waitForHost: true\n';
    const config = CONFIG.replace('    priority: interactive\n', `    priority: interactive\n${wait}`);
    const { api } = verdicts(push(), { config });
    expect(request(api)).toMatchObject({ queueTimeoutSeconds: 600, waitForHost: true });
    expect(request(verdicts(push()).api)).not.toHaveProperty('waitForHost');
  });

  it('lists only a few of many changed paths', () => {
    const many = Array.from({ length: 30 }, (_, i) => `web/${i}`);
    expect(verdicts(push(changed(...many))).api).toMatchObject({ value: 'web/0, web/1, web/2, web/3, web/4, 25 more' });
  });

  it.each([
    ['github', 'push-forced'],
    ['gitlab', 'push-truncated'],
    ['gitea', 'push-truncated'],
    ['bitbucket', 'push'],
  ] as const)('is built if %s doesn’t list all paths (%s)', (name, fixture) => {
    const config = CONFIG.replace('[main,', "['**',").replaceAll("'services/api/**'", "'nowhere/**'");
    expect(verdicts(first(name, fixture), { config }).api).toMatchObject({
      outcome: 'build',
      notes: expect.arrayContaining([expect.stringMatching(/^paths unknown, so it is built: .+/)]),
    });
  });

  it('that deletes a ref builds nothing, and says so', () => {
    for (const [name, fixture] of [
      ['github', 'push-deleted'],
      ['github', 'push-tag-deleted'],
      ['gitlab', 'push-deleted'],
      ['gitea', 'push-deleted'],
      ['bitbucket', 'push-deleted'],
    ] as const) {
      const explained = explain(first(name, fixture), parseConfig(CONFIG), server, NOW_MS);
      expect(explained).toMatchObject({ none: expect.stringContaining('was deleted'), images: [] });
    }
  });

  it('matches a trigger without branches and tags, whichever it is', () => {
    const config = 'version: 1\non: { push: }\nimages: [{ name: a }]\n';
    expect(verdicts(push({ branch: 'x/y' }), { config }).a).toMatchObject({ outcome: 'build' });
    expect(verdicts(first('github', 'push-tag'), { config }).a).toMatchObject({ outcome: 'build' });
    const tagsOnly = 'version: 1\non: { push: { tags: ["v*"] } }\nimages: [{ name: a }]\n';
    expect(verdicts(push(), { config: tagsOnly }).a).toMatchObject({
      filter: 'branches',
      why: 'it is built on pushes of tags only',
    });
    const pullsOnly = 'version: 1\non: { pull_request: }\nimages: [{ name: a }]\n';
    expect(verdicts(push(), { config: pullsOnly }).a).toMatchObject({ filter: 'push' });
  });
});

describe('a tag', () => {
  it('is built at its commit, without path filters', () => {
    const { api } = verdicts(first('github', 'push-tag'));
    expect(request(api).tags).toEqual([
      'registry.example.org/harbor/api:v1.4.0',
      'registry.example.org/harbor/api:latest',
    ]);
    expect(api).not.toHaveProperty('request.supersede');
  });
});

describe('a pull request', () => {
  it('from the repository itself is trusted, and supersedes its older builds', () => {
    expect(verdicts(pull()).api).toMatchObject({
      trust: 'trusted',
      request: { supersede: 'running', concurrencyKey: 'github.com/tidewater-labs/harbor#api@pull/42' },
      notes: expect.arrayContaining([expect.stringContaining('paths unknown')]),
    });
  });

  const fork = first('github', 'pull_request-opened-fork');

  it('from a fork is untrusted: it gets no secrets, push or priority, and is cloned from the base repository', () => {
    const { api } = verdicts(fork);
    expect(secretsOf(api)).toEqual({});
    expect(request(api)).not.toHaveProperty('storedSecrets');
    expect(api).toMatchObject({ trust: 'untrusted' });
    expect(api).toMatchObject({
      notes: expect.arrayContaining([
        'secrets withheld from a fork: NPM_TOKEN, key',
        expect.stringContaining('not pushed from a fork: registry.example.org/harbor/api:pr-42-'),
        expect.stringContaining('priority normal'),
      ]),
    });
    expect(request(api)).toMatchObject({
      source: { url: 'https://github.com/tidewater-labs/harbor.git' },
      output: { type: 'none' },
      tags: [],
      priority: 'normal',
    });
  });

  it('from a fork may push to what the server allows', () => {
    const allowed = verdicts(fork, { settings: { untrustedPush: ['registry.example.org/harbor/*'] } }).api;
    expect(request(allowed)).toMatchObject({ output: { type: 'push' }, tags: [expect.stringContaining(':pr-42-')] });
    const other = verdicts(fork, { settings: { untrustedPush: ['registry.example.org/*'] } }).api;
    expect(request(other)).toMatchObject({ output: { type: 'none' } });
  });

  it('from a fork can be excluded by the file and by the server, which the file can’t overrule', () => {
    const config = CONFIG.replace('branches: [main] }', 'branches: [main], forks: ignore }');
    expect(verdicts(fork, { config }).api).toMatchObject({
      filter: 'forks',
      why: 'the configuration ignores pull requests from forks',
    });
    expect(verdicts(fork, { settings: { forks: 'ignore' } }).api).toMatchObject({
      filter: 'forks',
      why: expect.stringContaining('the server'),
    });
  });

  it('from a deleted fork is still untrusted', () => {
    expect(verdicts(first('github', 'pull_request-synchronize-fork-gone')).api).toMatchObject({ trust: 'untrusted' });
    expect(
      explain(first('bitbucket', 'pullrequest-updated-fork-gone'), parseConfig(CONFIG), server, NOW_MS),
    ).toMatchObject({
      none: expect.stringContaining('is gone'),
    });
  });

  it('of Bitbucket is built from the branch of the fork, since its commit isn’t named in full', () => {
    const { api } = verdicts(first('bitbucket', 'pullrequest-created-fork'));
    expect(api).toMatchObject({ trust: 'untrusted' });
    expect(request(api).source).toMatchObject({
      url: 'https://bitbucket.org/passing-sail/harbor.git',
      ref: 'refs/heads/main',
    });
  });

  it.each([
    ['github', 'pull_request-closed', 'github.com/tidewater-labs/harbor#api@pull/42'],
    ['gitlab', 'merge_request-merge', 'gitlab.tidewater.example/tidewater/boats/harbor#api@pull/42'],
    ['gitea', 'pull_request-closed', 'git.tidewater.example/tidewater/harbor#api@pull/42'],
    ['bitbucket', 'pullrequest-rejected', 'bitbucket.org/tidewater/harbor#api@pull/42'],
  ] as const)('of %s cancels its builds when it is closed', (name, fixture, concurrencyKey) => {
    expect(verdicts(first(name, fixture)).api).toMatchObject({ outcome: 'cancel', concurrencyKey });
    const opened = verdicts({ ...first(name, fixture), action: 'opened' } as ForgeEvent).api;
    expect(opened).toMatchObject({ outcome: 'build', request: { concurrencyKey } });
  });
});

describe('a re-run', () => {
  it('of one check builds that image, without path filters, and supersedes nothing', () => {
    const { api, docs } = verdicts(first('github', 'check_run-rerequested'));
    expect(api).toMatchObject({
      outcome: 'build',
      trust: 'trusted',
      request: { concurrencyKey: expect.stringContaining('@pull/42') },
    });
    expect(api).not.toHaveProperty('request.supersede');
    expect(docs).toMatchObject({ outcome: 'skip', filter: 'check', value: 'api' });
  });

  it('of all checks builds what a push builds', () => {
    const { api, docs } = verdicts(first('github', 'check_suite-rerequested'));
    expect([api?.outcome, docs?.outcome]).toEqual(['build', 'build']);
  });

  it('of a commit on no branch of the repository is untrusted', () => {
    const { api } = verdicts(first('github', 'check_suite-rerequested-fork'));
    expect(api).toMatchObject({ trust: 'untrusted' });
    expect(secretsOf(api)).toEqual({});
    const settings = { forks: 'ignore' };
    expect(verdicts(first('github', 'check_suite-rerequested-fork'), { settings }).api).toMatchObject({
      filter: 'forks',
    });
  });
});

describe('concurrency keys', () => {
  const keyOf = (branch: string) => {
    const { docs } = verdicts(push({ branch }), { config: CONFIG.replace("['*']", "['**']") });
    return docs?.outcome === 'build' ? docs.request.concurrencyKey : '';
  };

  it('use plain characters, and differ between branches', () => {
    const names = ['main', 'a b', 'a-b', 'a/b', 'ä', 'ö', `${'x'.repeat(230)}1`, `${'x'.repeat(230)}2`];
    const keys = names.map(keyOf);
    expect(new Set(keys).size).toBe(names.length);
    for (const key of keys) expect(key).toMatch(/^[A-Za-z0-9._:/#@-]{1,200}$/);
  });
});

describe('the configuration', () => {
  it('of the server applies if there is no file, else the file’s', () => {
    const settings = repoSettings.parse({
      config: { version: 1, on: { push: null }, images: [{ name: 'from-server' }] },
    });
    expect(explain(push(), null, settings, NOW_MS).images).toMatchObject([{ image: 'from-server', outcome: 'build' }]);
    expect(explain(push(), parseConfig(CONFIG), settings, NOW_MS).images).toHaveLength(2);
    expect(explain(push(), null, server, NOW_MS)).toMatchObject({ none: expect.stringContaining('no .kiln.yaml') });
  });

  it('of the server decides team and clone URL', () => {
    const settings = { team: 'boats', cloneUrl: 'http://git.internal:3000/harbor.git' };
    expect(request(verdicts(push(), { settings }).api)).toMatchObject({
      team: 'boats',
      source: { url: settings.cloneUrl },
    });
  });

  it('doesn’t matter for a ping or an unhandled event, which say why nothing is built', () => {
    expect(explain(first('github', 'ping'), null, server, NOW_MS)).toMatchObject({
      none: expect.stringContaining('ping'),
    });
    expect(explain(first('gitlab', 'issue'), null, server, NOW_MS)).toMatchObject({
      none: expect.stringContaining('issue'),
    });
  });
});
