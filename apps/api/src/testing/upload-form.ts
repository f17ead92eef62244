import type { Problem } from '@kiln/contracts';
import { expect } from 'vitest';
import type { TestApi } from './test-api.ts';

export const BOUNDARY = 'xxBOUNDARYxx';
export const UPLOAD = { source: { type: 'upload', name: 'app' } };

export type Part = readonly [name: string, content: string | Buffer];
export const REQUEST_PART: Part = ['request', JSON.stringify(UPLOAD)];

/** Encodes a form by hand, so that tests can send broken ones. */
export function multipart(...parts: readonly Part[]): Buffer {
  const bodies = parts.map(([name, content]) =>
    Buffer.concat([
      Buffer.from(`--${BOUNDARY}\r\nContent-Disposition: form-data; name="${name}"; filename="f"\r\n\r\n`),
      Buffer.from(content),
      Buffer.from('\r\n'),
    ]),
  );
  return Buffer.concat([...bodies, Buffer.from(`--${BOUNDARY}--\r\n`)]);
}

export function uploadTo(api: TestApi, ...parts: readonly Part[]): Promise<Response> {
  return sendForm(api, multipart(...parts));
}

export function sendForm(api: TestApi, body: Buffer): Promise<Response> {
  return api.fetch('/v1/builds', {
    method: 'POST',
    headers: { 'content-type': `multipart/form-data; boundary=${BOUNDARY}` },
    body: new Uint8Array(body),
  });
}

/** Checks that `answer` is this problem and that no build was accepted. */
export async function expectRefusal(api: TestApi, answer: Response, status: number, code: string): Promise<Problem> {
  const problem = (await answer.json()) as Problem;
  expect(problem).toMatchObject({ status, code });
  expect(answer.status).toBe(status);
  expect(answer.headers.get('content-type')).toBe('application/problem+json');
  expect((await api.state.builds.list({}, { limit: 10 })).builds).toEqual([]);
  return problem;
}
