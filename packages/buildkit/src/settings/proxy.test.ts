import { expect, test } from 'vitest';
import { maskProxy, proxyArgs, proxyEnv, proxySecrets } from './proxy.ts';

const URL = 'http://me:s%40cret-1@proxy.example:3128';

test('gives what fetches for builds both cases of the names', () => {
  expect(proxyEnv({ http: URL, no: 'a,b', for: 'builder' })).toEqual([
    `HTTP_PROXY=${URL}`,
    `http_proxy=${URL}`,
    'NO_PROXY=a,b',
    'no_proxy=a,b',
  ]);
  expect([proxyEnv({ http: URL, for: 'builds' }), proxyEnv(undefined)]).toEqual([[], []]);
});

test('gives steps the proxy unless the build has its own, in whichever case', () => {
  const proxy = { http: URL, https: URL, for: 'both' } as const;
  expect(proxyArgs(proxy, {})).toEqual({ HTTP_PROXY: URL, HTTPS_PROXY: URL });
  expect(proxyArgs(proxy, { http_proxy: '', A: 'b' })).toEqual({ HTTPS_PROXY: URL });
  expect(proxyArgs({ ...proxy, for: 'builder' }, {})).toEqual({});
});

test('hides credentials', () => {
  expect(maskProxy(URL)).toBe('http://***@proxy.example:3128');
  expect(proxySecrets({ http: URL, https: 'http://plain.example', for: 'both' })).toEqual([
    'me:s%40cret-1',
    's@cret-1',
  ]);
});
