import { expect, test } from 'vitest';
import { explainPush, isPassingPushFailure } from './push-failure.ts';

const refused = (message: string) => ({ code: 'push_refused', message }) as const;
const pushing = (text: string) => refused(`failed to push r.example:5000/eof/timeout-503:1: ${text}`);

// Recorded from BuildKit 0.13 and Docker Engine 26, with addresses changed.
test.each([
  'unexpected status from POST request to http://r.example:5000/v2/a/blobs/uploads/: 503 Service Unavailable',
  'unexpected status from POST request to http://r.example:5000/v2/a/blobs/uploads/: 429 Too Many Requests',
  'failed commit on ref "manifest-sha256:63925a39": unexpected status from PUT request to http://r.example:5000/v2/a/manifests/sha256:63925a39: 502 Bad Gateway',
  'received unexpected HTTP status: 503 Service Unavailable',
  'error parsing HTTP 504 response body: unexpected status code 504: <html>',
  'failed to do request: Post "https://r.example:5000/v2/a/blobs/uploads/": EOF',
  'failed to do request: Head "https://r.example:5000/v2/a/blobs/sha256:6738": dial tcp 10.1.2.3:5000: connect: connection refused',
  'failed to do request: Put "https://r.example:5000/v2/a": read tcp 10.1.2.3:1->10.1.2.4:5000: read: connection reset by peer',
  'failed to do request: Put "https://r.example:5000/v2/a": write tcp 10.1.2.3:1->10.1.2.4:5000: write: broken pipe',
  'failed to do request: Head "https://r.example:5000/v2/a": dial tcp 10.1.2.3:5000: i/o timeout',
  'failed to do request: Head "https://r.example:5000/v2/a": net/http: TLS handshake timeout',
  'failed to authorize: failed to fetch oauth token: unexpected status from GET request to https://auth.example/token: 500 Internal Server Error',
  'failed to do request: Head "https://r.example:5000/v2/a": dial tcp: lookup r.example on 10.0.0.1:53: server misbehaving',
])('takes a push for one that may succeed when it is repeated: %s', (text) => {
  expect(isPassingPushFailure(pushing(text))).toBe(true);
});

test.each([
  'unexpected status from HEAD request to http://r.example:5000/v2/c/blobs/sha256:1ffa: 403 Forbidden',
  'unexpected status from POST request to http://r.example:5000/v2/a/blobs/uploads/: 401 Unauthorized',
  'push access denied, repository does not exist or may require authorization: server message: insufficient_scope: authorization failed',
  'failed to authorize: failed to fetch anonymous token: unexpected status from GET request to https://auth.example/token: 401 Unauthorized',
  'denied: requested access to the resource is denied',
  'unexpected status from PUT request to http://r.example:5000/v2/a/manifests/1: 413 Request Entity Too Large',
  'unexpected status from POST request to http://r.example:5000/v2/a/blobs/uploads/: 507 Insufficient Storage',
  'failed to do request: Head "https://r.example:5000/v2/a": tls: failed to verify certificate: x509: certificate signed by unknown authority',
  'failed to do request: Head "https://r.example:5000/v2/a": dial tcp: lookup r.example on 10.0.0.1:53: no such host',
  'invalid reference format',
])('takes a push for one that would fail again: %s', (text) => {
  expect(isPassingPushFailure(pushing(text))).toBe(false);
});

test('takes only failed pushes for repeatable, and a base image that can’t be had while a push is repeated', () => {
  const message =
    'failed to resolve source metadata for r.example/base:1: failed to do request: Head "https://r.example/v2/base/manifests/1": EOF';
  expect(isPassingPushFailure({ code: 'base_image_unavailable', message })).toBe(false);
  expect(isPassingPushFailure({ code: 'base_image_unavailable', message }, true)).toBe(true);
  expect(isPassingPushFailure({ code: 'step_failed', message: 'RUN curl: 503 Service Unavailable' }, true)).toBe(false);
  expect(isPassingPushFailure(undefined)).toBe(false);
});

test('says how often a push was tried, and which tags were pushed', () => {
  const failed = { end: 'failed', failure: pushing('EOF'), result: { pushed: ['a:1'] } } as const;
  const explained = explainPush(failed, ['a:1', 'b:1', 'c:1'], { tries: 3, pushed: ['a:1'] });
  expect(explained.failure?.message.split('\n').slice(1)).toEqual([
    'the push was tried 3 times',
    'pushed: a:1; not pushed: b:1, c:1',
  ]);
  expect(explainPush({ end: 'failed', failure: pushing('EOF') }, ['a:1'], { tries: 1, pushed: [] }).failure).toEqual(
    pushing('EOF'),
  );
});

test('reports the push as failed if its last repetition failed at a base image', () => {
  const failure = { code: 'base_image_unavailable', message: 'x' } as const;
  const tries = { tries: 2, pushFailure: pushing('EOF'), pushed: [] };
  expect(explainPush({ end: 'failed', failure }, ['a:1'], tries).failure?.code).toBe('push_refused');
  expect(explainPush({ end: 'failed', failure }, ['a:1'], { tries: 1, pushed: [] }).failure).toEqual(failure);
});
