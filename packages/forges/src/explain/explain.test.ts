import { type ForgeEvent, repoSettings } from '@kiln/contracts';
import { describe, expect, it } from 'vitest';
import { parseConfig } from '../config/parse-config.ts';
import { CONFIG, changed, first, pull, push, request, secretsOf, server, verdicts } from '../testing/explaining.ts';
import { NOW_MS } from '../testing/fixtures.ts';
import { explain } from './explain.ts';

describe('a push', () => {
  it('makes the builds whose filters it passes, as requests that the API takes', () => {
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

  it.each<[string, ForgeEvent, string, object]>([
    [
      'another branch',
      push({ branch: 'feature/x' }),
      'api',
      { filter: 'branches', value: 'feature/x', patterns: expect.arrayContaining(['main']) },
    ],
    [
      'a branch that is taken out',
      push({ branch: 'release/old/1' }),
      'api',
      { filter: 'branches', why: 'branch release/old/1 is taken out by !release/old/**' },
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
    ['paths that are taken out', push(changed('docs/old/x')), 'docs', { filter: 'paths', value: 'docs/old/x' }],
    [
      'a tag, to an image of branches',
      first('github', 'push-tag'),
      'docs',
      { filter: 'tags', why: 'it is built on push of branches only' },
    ],
    ['a pull request, to an image of pushes', pull(), 'docs', { filter: 'pull_request' }],
    [
      'a pull request into another branch',
      pull({ base: { branch: 'dev' } }),
      'api',
      { filter: 'branches', value: 'dev', why: 'base branch dev matches none of main' },
    ],
  ])('%s: the first filter that says no', (_, event, image, expected) => {
    expect(verdicts(event)[image]).toMatchObject({ outcome: 'skip', ...expected });
  });

  it('lists a few paths where many changed', () => {
    const many = Array.from({ length: 30 }, (_, i) => `web/${i}`);
    expect(verdicts(push(changed(...many))).api).toMatchObject({ value: 'web/0, web/1, web/2, web/3, web/4, 25 more' });
  });

  it.each([
    ['github', 'push-forced'],
    ['gitlab', 'push-truncated'],
    ['gitea', 'push-truncated'],
    ['bitbucket', 'push'],
  ] as const)('whose paths %s doesn’t fully tell (%s) is built', (name, fixture) => {
    const config = CONFIG.replace('[main,', "['**',").replaceAll("'services/api/**'", "'nowhere/**'");
    expect(verdicts(first(name, fixture), { config }).api).toMatchObject({
      outcome: 'build',
      notes: expect.arrayContaining([expect.stringMatching(/^paths unknown, so it is built: .+/)]),
    });
  });

  it('that deletes is nothing to build, and says so', () => {
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

  it('with neither branches nor tags takes both', () => {
    const config = 'version: 1\non: { push: }\nimages: [{ name: a }]\n';
    expect(verdicts(push({ branch: 'x/y' }), { config }).a).toMatchObject({ outcome: 'build' });
    expect(verdicts(first('github', 'push-tag'), { config }).a).toMatchObject({ outcome: 'build' });
    const tagsOnly = 'version: 1\non: { push: { tags: ["v*"] } }\nimages: [{ name: a }]\n';
    expect(verdicts(push(), { config: tagsOnly }).a).toMatchObject({
      filter: 'branches',
      why: 'it is built on push of tags only',
    });
    const pullsOnly = 'version: 1\non: { pull_request: }\nimages: [{ name: a }]\n';
    expect(verdicts(push(), { config: pullsOnly }).a).toMatchObject({ filter: 'push' });
  });
});

describe('a tag', () => {
  it('is built at its commit, without asking for paths', () => {
    const { api } = verdicts(first('github', 'push-tag'));
    expect(request(api).tags).toEqual([
      'registry.example.org/harbor/api:v1.4.0',
      'registry.example.org/harbor/api:latest',
    ]);
    expect(api).not.toHaveProperty('request.supersede');
  });
});

describe('a pull request', () => {
  it('is trusted from the repository itself, and takes the place of its older builds', () => {
    expect(verdicts(pull()).api).toMatchObject({
      trust: 'trusted',
      request: { supersede: 'running', concurrencyKey: 'github.com/tidewater-labs/harbor#api@pull/42' },
      notes: expect.arrayContaining([expect.stringContaining('paths unknown')]),
    });
  });

  const fork = first('github', 'pull_request-opened-fork');

  it('from a fork is untrusted: no secrets, no push, no hurry, from the repository that it goes into', () => {
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

  it('from a fork may push where the server says so', () => {
    const allowed = verdicts(fork, { settings: { untrustedPush: ['registry.example.org/harbor/*'] } }).api;
    expect(request(allowed)).toMatchObject({ output: { type: 'push' }, tags: [expect.stringContaining(':pr-42-')] });
    const other = verdicts(fork, { settings: { untrustedPush: ['registry.example.org/*'] } }).api;
    expect(request(other)).toMatchObject({ output: { type: 'none' } });
  });

  it('from a fork is left out by the file or by the server, and the file can’t overrule the server', () => {
    const config = CONFIG.replace('branches: [main] }', 'branches: [main], forks: ignore }');
    expect(verdicts(fork, { config }).api).toMatchObject({
      filter: 'forks',
      why: 'pull requests from forks are to be ignored',
    });
    expect(verdicts(fork, { settings: { forks: 'ignore' } }).api).toMatchObject({
      filter: 'forks',
      why: expect.stringContaining('the server'),
    });
  });

  it('whose fork is gone is still known to be one', () => {
    expect(verdicts(first('github', 'pull_request-synchronize-fork-gone')).api).toMatchObject({ trust: 'untrusted' });
    expect(
      explain(first('bitbucket', 'pullrequest-updated-fork-gone'), parseConfig(CONFIG), server, NOW_MS),
    ).toMatchObject({
      none: expect.stringContaining('is gone'),
    });
  });

  it('of Bitbucket is built from the branch of the fork, since commits aren’t named in full', () => {
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
  ] as const)('of %s that is closed cancels what it began', (name, fixture, concurrencyKey) => {
    expect(verdicts(first(name, fixture)).api).toMatchObject({ outcome: 'cancel', concurrencyKey });
    const opened = verdicts({ ...first(name, fixture), action: 'opened' } as ForgeEvent).api;
    expect(opened).toMatchObject({ outcome: 'build', request: { concurrencyKey } });
  });
});

describe('a re-run', () => {
  it('of one check builds that image, without asking for paths, and takes no other’s place', () => {
    const { api, docs } = verdicts(first('github', 'check_run-rerequested'));
    expect(api).toMatchObject({
      outcome: 'build',
      trust: 'trusted',
      request: { concurrencyKey: expect.stringContaining('@pull/42') },
    });
    expect(api).not.toHaveProperty('request.supersede');
    expect(docs).toMatchObject({ outcome: 'skip', filter: 'check', value: 'api' });
  });

  it('of all checks builds what a push would', () => {
    const { api, docs } = verdicts(first('github', 'check_suite-rerequested'));
    expect([api?.outcome, docs?.outcome]).toEqual(['build', 'build']);
  });

  it('of a commit that is on no branch of the repository is untrusted', () => {
    const { api } = verdicts(first('github', 'check_suite-rerequested-fork'));
    expect(api).toMatchObject({ trust: 'untrusted' });
    expect(secretsOf(api)).toEqual({});
    const settings = { forks: 'ignore' };
    expect(verdicts(first('github', 'check_suite-rerequested-fork'), { settings }).api).toMatchObject({
      filter: 'forks',
    });
  });
});

describe('keys of builds that take one another’s place', () => {
  const keyOf = (branch: string) => {
    const { docs } = verdicts(push({ branch }), { config: CONFIG.replace("['*']", "['**']") });
    return docs?.outcome === 'build' ? docs.request.concurrencyKey : '';
  };

  it('are plain, and differ where branches do', () => {
    const names = ['main', 'a b', 'a-b', 'a/b', 'ä', 'ö', `${'x'.repeat(230)}1`, `${'x'.repeat(230)}2`];
    const keys = names.map(keyOf);
    expect(new Set(keys).size).toBe(names.length);
    for (const key of keys) expect(key).toMatch(/^[A-Za-z0-9._:/#@-]{1,200}$/);
  });
});

describe('where the configuration comes from', () => {
  it('the server’s own stands in for a missing file, and the file goes first', () => {
    const settings = repoSettings.parse({
      config: { version: 1, on: { push: null }, images: [{ name: 'from-server' }] },
    });
    expect(explain(push(), null, settings, NOW_MS).images).toMatchObject([{ image: 'from-server', outcome: 'build' }]);
    expect(explain(push(), parseConfig(CONFIG), settings, NOW_MS).images).toHaveLength(2);
    expect(explain(push(), null, server, NOW_MS)).toMatchObject({ none: expect.stringContaining('no .kiln.yaml') });
  });

  it('team and clone address are the server’s', () => {
    const settings = { team: 'boats', cloneUrl: 'http://git.internal:3000/harbor.git' };
    expect(request(verdicts(push(), { settings }).api)).toMatchObject({
      team: 'boats',
      source: { url: settings.cloneUrl },
    });
  });

  it('a ping and an event of no interest say why nothing is built', () => {
    expect(explain(first('github', 'ping'), null, server, NOW_MS)).toMatchObject({
      none: expect.stringContaining('ping'),
    });
    expect(explain(first('gitlab', 'issue'), null, server, NOW_MS)).toMatchObject({
      none: expect.stringContaining('issue'),
    });
  });
});
