import { expect, it } from 'vitest';
import { pull, push, request, verdicts } from '../testing/explaining.ts';

const config = (cache: string) => `version: 1
on: { push: {}, pull_request: {} }
images:
  - name: api
    tags: ['r.io/api:{branch}']
    output: push
    cache: ${cache}
`;
const cacheFor = (event: Parameters<typeof verdicts>[0], cache: string) =>
  request(verdicts(event, { config: config(cache) }).api).cache;
const REF = '{ type: registry, ref: r.io/caches:api }';
const ref = { type: 'registry', ref: 'r.io/caches:api' };

it('names an archive after the branch or pull request, with the base branch to fall back on', () => {
  expect(cacheFor(push(), '{ mode: archive }')).toEqual({ mode: 'archive', key: 'main' });
  expect(cacheFor(push(), '{ mode: archive, key: all }')).toEqual({ mode: 'archive', key: 'all' });
  expect(cacheFor(pull({ fork: false }), '{ mode: archive }')).toMatchObject({
    ...{ mode: 'archive', fallbackKeys: ['main'] },
    key: expect.stringMatching(/^pull\/\d+$/),
  });
});

it('passes locations on, but a fork’s build exports to none', () => {
  const both = `{ mode: registry, to: [${REF}] }`;
  expect(cacheFor(push(), both)).toEqual({ mode: 'registry', to: [ref] });
  expect(cacheFor(pull({ fork: true }), both)).toEqual({ mode: 'registry', from: [ref] });
  expect(cacheFor(pull({ fork: true }), `{ to: [${REF}] }`)).toEqual({ mode: 'warm' });
});

it('refuses fields that the mode doesn’t have', () => {
  expect(() => cacheFor(push(), `{ mode: fresh, to: [${REF}] }`)).toThrow('no locations, because cache.mode is fresh');
});

const uncached = (tags: string) => `version: 1
on: { push: {}, pull_request: {} }
images:
  - { name: api, tags: ${tags}, output: push }
`;
const byDefault = (cacheMode: string | undefined, config = uncached("['r.io/api:{branch}']")) =>
  request(verdicts(push(), { config, settings: { cacheMode } }).api);

it('takes the mode from the server’s settings of the repository if the file names no caches', () => {
  expect(byDefault(undefined).cache).toBeUndefined();
  // So that a default of the repo doesn't take its place.
  expect(byDefault('warm').cache).toEqual({ mode: 'warm' });
  expect(byDefault('registry').cache).toEqual({ mode: 'registry' });
  expect(byDefault('fresh').cache).toEqual({ mode: 'fresh' });
  expect(byDefault('archive').cache).toEqual({ mode: 'archive', key: 'main' });
  expect(byDefault('registry', config('{ mode: warm }')).cache).toEqual({ mode: 'warm' });
});

it('builds warm where the settings say registry, but there is no tag, and says so', () => {
  const { api } = verdicts(push(), {
    config: uncached('[]').replace('output: push', 'output: none'),
    settings: { cacheMode: 'registry' },
  });
  expect(request(api).cache).toEqual({ mode: 'warm' });
  expect(JSON.stringify(api)).toContain('cache mode warm instead of registry');
});

it('refuses a default mode that doesn’t exist', () => {
  expect(() => byDefault('hot')).toThrow(/cacheMode/);
});
