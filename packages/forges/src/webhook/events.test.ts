import type { ForgeName } from '@kiln/contracts';
import { describe, expect, it } from 'vitest';
import { forge, guessForge } from '../forges.ts';
import { delivery, eventsOf } from '../testing/fixtures.ts';

const sha = expect.stringMatching(/^[0-9a-f]{40}$/);
const PATHS = ['services/api/src/berths.ts', 'services/api/package.json', 'docs/glossary.md', 'docs/old-glossary.md'];
const listed = (complete: boolean) => ({ complete, paths: expect.arrayContaining(PATHS) });
const unknown = (reason: string) => ({ complete: false, reason: expect.stringContaining(reason) });
const main = { type: 'push', branch: 'main', before: sha, after: sha, deleted: false };
const branchGone = { type: 'push', branch: 'feature/tides', before: sha, after: null, deleted: true };
const newBranch = { type: 'push', branch: 'feature/tides', before: null, after: sha, changed: unknown('new') };
const tag = { type: 'tag', tag: 'v1.4.0', commit: sha, deleted: false };
const tagGone = { type: 'tag', tag: 'v1.4.0', commit: null, deleted: true };
const pull = (action: string, more = {}) => ({
  type: 'pull_request',
  action,
  number: 42,
  title: 'Warn of low tide',
  fork: false,
  merged: false,
  draft: false,
  head: { branch: 'feature/tides', commit: sha },
  base: { branch: 'main' },
  changed: { complete: false, paths: [] },
  ...more,
});
const fromFork = (fullName: string, commit = sha) => ({
  fork: true,
  author: 'passing-sail',
  head: { branch: 'main', commit, repository: { fullName } },
});
const short = { branch: 'feature/tides', commit: expect.stringMatching(/^[0-9a-f]{12}$/) };
const ignored = (reason: string) => ({ type: 'ignored', reason: expect.stringContaining(reason) });

const TABLE: readonly (readonly [ForgeName, string, ...object[]])[] = [
  ['github', 'push', { ...main, actor: 'ida-lund', changed: listed(true) }],
  ['github', 'push-new-branch', newBranch],
  ['github', 'push-forced', { type: 'push', branch: 'feature/tides', changed: unknown('forced') }],
  ['github', 'push-deleted', branchGone],
  ['github', 'push-tag', tag],
  ['github', 'push-tag-deleted', tagGone],
  ['github', 'pull_request-opened', pull('opened', { author: 'ida-lund' })],
  ['github', 'pull_request-synchronize', pull('synchronised')],
  ['github', 'pull_request-reopened', pull('reopened')],
  ['github', 'pull_request-closed', pull('closed', { merged: true })],
  ['github', 'pull_request-opened-fork', pull('opened', fromFork('passing-sail/harbor'))],
  ['github', 'pull_request-synchronize-fork-gone', pull('synchronised', { fork: true, head: { repository: null } })],
  ['github', 'pull_request-labeled', ignored('labeled')],
  ['github', 'check_suite-rerequested', { type: 'rerun', commit: sha, branch: 'main', pullRequests: [] }],
  ['github', 'check_suite-rerequested-fork', { type: 'rerun', commit: sha, branch: null, pullRequests: [] }],
  [
    'github',
    'check_run-rerequested',
    {
      type: 'rerun',
      branch: 'feature/tides',
      pullRequests: [{ number: 42, base: 'main', branch: 'feature/tides' }],
      check: { name: 'kiln/api', externalId: '01kaqz6w5h0000000000aaaaaa' },
    },
  ],
  ['github', 'check_run-completed', ignored('completed')],
  ['github', 'create-tag', ignored('create')],
  ['github', 'ping', { type: 'ping' }],

  ['gitlab', 'push', { ...main, actor: 'ida', changed: { ...listed(false), ...unknown('forced') } }],
  ['gitlab', 'push-truncated', { ...main, changed: unknown('2 of 31 commits') }],
  ['gitlab', 'push-new-branch', newBranch],
  ['gitlab', 'push-deleted', branchGone],
  ['gitlab', 'tag_push', tag],
  ['gitlab', 'tag_push-deleted', tagGone],
  ['gitlab', 'merge_request-open', pull('opened', { author: 'ida' })],
  ['gitlab', 'merge_request-update', pull('synchronised')],
  ['gitlab', 'merge_request-update-title', ignored('no new commits')],
  ['gitlab', 'merge_request-reopen', pull('reopened')],
  ['gitlab', 'merge_request-close', pull('closed')],
  ['gitlab', 'merge_request-merge', pull('closed', { merged: true })],
  ['gitlab', 'merge_request-open-fork', pull('opened', fromFork('passing-sail/harbor'))],
  ['gitlab', 'issue', ignored('issue')],

  ['gitea', 'push', { ...main, actor: 'ida', changed: { ...listed(false), ...unknown('forced') } }],
  ['gitea', 'push-truncated', { ...main, changed: unknown('2 of 9 commits') }],
  ['gitea', 'push-new-branch', newBranch],
  ['gitea', 'push-deleted', branchGone],
  ['gitea', 'push-tag', tag],
  ['gitea', 'pull_request-opened', pull('opened', { author: 'ida' })],
  ['gitea', 'pull_request-synchronized', pull('synchronised')],
  ['gitea', 'pull_request-reopened', pull('reopened')],
  ['gitea', 'pull_request-closed', pull('closed', { merged: true })],
  ['gitea', 'pull_request-opened-fork', pull('opened', fromFork('passing-sail/harbor'))],
  ['gitea', 'pull_request-labeled', ignored('label_updated')],
  ['gitea', 'create-tag', ignored('sends a push event')],

  ['bitbucket', 'push', { ...main, actor: 'ida', changed: unknown('Bitbucket doesn’t list changed paths') }],
  ['bitbucket', 'push-deleted', branchGone],
  ['bitbucket', 'push-several', main, tag, { type: 'push', branch: 'old', after: null, deleted: true }],
  ['bitbucket', 'pullrequest-created', pull('opened', { author: 'ida', head: short })],
  ['bitbucket', 'pullrequest-updated', pull('synchronised', { head: short })],
  ['bitbucket', 'pullrequest-fulfilled', pull('closed', { merged: true, head: short })],
  ['bitbucket', 'pullrequest-rejected', pull('closed', { head: short })],
  ['bitbucket', 'pullrequest-created-fork', pull('opened', fromFork('passing-sail/harbor', short.commit))],
  ['bitbucket', 'pullrequest-updated-fork-gone', pull('synchronised', { fork: true, head: { repository: null } })],
  ['bitbucket', 'issue-created', ignored('issue:created')],
];

const CASES = TABLE.map(([name, fixture, ...expected]) => ({ name, fixture, expected }));

const CLONE_URLS: Readonly<Record<ForgeName, string>> = {
  github: 'https://github.com/tidewater-labs/harbor.git',
  gitlab: 'https://gitlab.tidewater.example/tidewater/boats/harbor.git',
  gitea: 'https://git.tidewater.example/tidewater/harbor.git',
  bitbucket: 'https://bitbucket.org/tidewater/harbor.git',
};

describe('events', () => {
  it.each(CASES)('reads the $name fixture $fixture', ({ name, fixture, expected }) => {
    const events = eventsOf(name, fixture);
    expect(events).toMatchObject(expected);
    for (const event of events) {
      expect(event.forge).toBe(name);
      if ('repository' in event) expect(event.repository.cloneUrl).toBe(CLONE_URLS[name]);
    }
  });

  it('names the commit of an annotated tag, not the tag object', () => {
    const pushed = eventsOf('github', 'push')[0];
    for (const [name, fixture] of [
      ['github', 'push-tag'],
      ['gitlab', 'tag_push'],
      ['gitea', 'push-tag'],
    ] as const) {
      expect(eventsOf(name, fixture)[0]).toMatchObject({ commit: pushed.type === 'push' && pushed.after });
    }
  });

  it('reads Forgejo’s headers like Gitea’s', () => {
    const { headers, json } = delivery('gitea', 'push');
    const forgejo = { ...headers, 'x-gitea-event': undefined, 'x-forgejo-event': 'push', 'x-forgejo-delivery': 'abc' };
    expect(forge('gitea').events(forgejo, json)).toEqual(eventsOf('gitea', 'push'));
    expect(forge('gitea').deliveryId(forgejo)).toBe('abc');
  });

  it.each(['project_create', 'user_add_to_group'])(
    'ignores GitLab’s system hook %s, which has no object_kind',
    (name) => {
      expect(forge('gitlab').events({}, { event_name: name })[0]).toMatchObject(
        ignored(`Kiln does nothing about ${name} events`),
      );
    },
  );

  it.each(['github', 'gitea', 'bitbucket'] as const)('ignores an event of %s without its header', (name) => {
    expect(forge(name).events({}, {})[0]).toMatchObject(ignored('header X-'));
  });

  it.each(CASES)('recognises the $name fixture $fixture without its headers', ({ name, fixture }) => {
    const { json } = delivery(name, fixture);
    const guessed = fixture === 'ping' ? 'github' : guessForge(json);
    expect(guessed).toBe(name === 'bitbucket' && fixture === 'issue-created' ? 'gitea' : name);
    // Only Bitbucket's headers say more than the payload: what happened to a pull request.
    const named = name === 'bitbucket' ? String(delivery(name, fixture).headers['x-event-key']) : undefined;
    const events = forge(name).events(forge(name).headersFor(json, named), json);
    if (fixture !== 'create-tag') expect(events).toEqual(eventsOf(name, fixture));
  });
});
