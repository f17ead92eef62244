import { type ForgeEvent, gitRef } from '@kiln/contracts';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseConfig } from '../config/parse-config.ts';
import { CONFIG, changed, first, pull, push, request, server, verdicts } from '../testing/explaining.ts';
import { NOW_MS } from '../testing/fixtures.ts';
import { explain } from './explain.ts';

describe('renderTags', () => {
  const tagsOf = (event: ForgeEvent, ...templates: string[]) => {
    const config = {
      version: 1,
      on: { push: null, pull_request: null },
      images: [{ name: 'a', tags: templates, output: 'push' }],
    };
    return request(verdicts(event, { config: JSON.stringify(config) }).a);
  };

  it.each([
    ['feature/Tides & co', 'feature-Tides-co'],
    ['.hidden', 'hidden'],
    ['a--b__c', 'a--b__c'],
    ['x'.repeat(200), 'x'.repeat(128)],
    ['größe', 'gr-e'],
  ])('renders the branch %s as %s', (branch, tag) => {
    expect(tagsOf(push({ branch }), 'app:{branch}').tags).toEqual([`app:${tag}`]);
  });

  it('renders no tag from a name without any allowed character, and then nothing is pushed', () => {
    expect(tagsOf(push({ branch: '☃' }), 'app:{branch}')).toMatchObject({ tags: [], output: { type: 'none' } });
  });

  it('renders commit and date', () => {
    expect(tagsOf(push({ after: 'ab'.repeat(20) }), 'app:{sha}', 'localhost:5000/app:{date}-{shortSha}').tags).toEqual([
      `app:${'ab'.repeat(20)}`,
      'localhost:5000/app:20260114-abababababab',
    ]);
  });

  it('renders two templates with the same result as one tag', () => {
    expect(tagsOf(push({ branch: 'main' }), 'app:{branch}', 'app:main').tags).toEqual(['app:main']);
  });

  it('renders only tags that are unique to a pull request, and never its branch, which a fork may name main', () => {
    const templates = ['app:latest', 'app:{branch}', 'app:{date}', 'app:pr-{pr}'];
    expect(tagsOf(pull(), ...templates)).toMatchObject({ tags: ['app:pr-42'], output: { type: 'push' } });
    expect(tagsOf(pull(), 'app:{branch}-{sha}').tags).toEqual([]);
    expect(tagsOf(first('github', 'push-tag'), 'app:{branch}').tags).toEqual([]);
    expect(tagsOf(pull(), 'app:latest')).toMatchObject({ tags: [], output: { type: 'none' } });
  });
});

it('makes requests that the API accepts from any name of a branch or tag', () => {
  const config = parseConfig(
    CONFIG.replace('branches: [main,', "branches: ['**',").replaceAll("'services/api/**'", "'**'"),
  );
  const names = fc.oneof(fc.string(), fc.string({ unit: 'grapheme' }), fc.stringMatching(/^[a-z./_-]{1,200}$/));
  fc.assert(
    fc.property(names, fc.constantFrom('push', 'tag'), (name, type) => {
      fc.pre(gitRef.safeParse(name).success);
      const repository = { fullName: 'a/b', cloneUrl: 'https://git.example.org/a/b.git' };
      const commit = 'ab'.repeat(20);
      const event = {
        type,
        forge: 'gitea',
        repository,
        branch: name,
        tag: name,
        before: null,
        after: commit,
        commit,
        deleted: false,
      };
      const { images } = explain({ ...event, ...changed('x') } as unknown as ForgeEvent, config, server, NOW_MS);
      for (const verdict of images) if (verdict.outcome === 'build') request(verdict);
      expect(images[0]?.outcome === 'build' || type === 'tag' || name.startsWith('release/old/')).toBe(true);
    }),
    { numRuns: 1_000 },
  );
});
