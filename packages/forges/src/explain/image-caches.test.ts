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
