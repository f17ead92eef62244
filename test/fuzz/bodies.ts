import fc from 'fast-check';
import { garbled, mutated, RECORDED } from './mutate.ts';

const GOOD_BODIES: readonly unknown[] = [
  {
    source: { type: 'git', url: 'https://git.example/app', ref: 'main', subdir: 'a' },
    team: 'web',
    buildArgs: { A: 'b' },
    secrets: { npm: 'x' },
    tags: ['r.example/a:1'],
    output: { type: 'push' },
    platforms: ['linux/amd64'],
    hostLabels: { disk: 'nvme' },
    concurrencyKey: 'k',
    supersede: 'queued',
    dedupe: true,
  },
  { source: { type: 'upload', name: 'app', digest: `sha256:${'0'.repeat(64)}` } },
  { name: 'ci', team: 'web', scopes: ['builds:read'], expiresInSeconds: 3_600 },
  { slots: 3, labels: { a: 'b', c: null } },
  { deadlineSeconds: 60 },
  { concurrentBuilds: 3, registries: ['r.example/**'], gitHosts: null },
  {
    name: 'nightly',
    cron: '0 3 * * *',
    timezone: 'Europe/Berlin',
    request: { source: { type: 'git', url: 'https://git.example/app' } },
  },
];

/** A body and its content type. */
export interface FuzzBody {
  readonly bytes: Buffer;
  readonly type: string;
}

const JSON_TYPE = 'application/json';
const good = fc.constantFrom(...GOOD_BODIES);
const json = (value: unknown): FuzzBody => ({ bytes: Buffer.from(JSON.stringify(value) ?? ''), type: JSON_TYPE });
const text = (garbage: string): FuzzBody => ({ bytes: Buffer.from(garbage), type: JSON_TYPE });
const form = (garbage: string): FuzzBody => ({
  bytes: Buffer.from(garbage, 'latin1'),
  type: 'multipart/form-data; boundary=b',
});

/** A body for any route: valid, nearly valid, nearly JSON, a webhook's, a form, or random bytes. */
export const body: fc.Arbitrary<FuzzBody> = fc.oneof(
  { weight: 2, arbitrary: good.map(json) },
  { weight: 5, arbitrary: good.chain(mutated).map(json) },
  { weight: 2, arbitrary: good.chain((value) => garbled(JSON.stringify(value))).map(text) },
  {
    weight: 2,
    arbitrary: fc
      .constantFrom(...RECORDED)
      .chain((one) => mutated(one.json))
      .map(json),
  },
  {
    weight: 1,
    arbitrary: fc.uint8Array({ maxLength: 300 }).map((bytes) => ({ bytes: Buffer.from(bytes), type: JSON_TYPE })),
  },
  { weight: 2, arbitrary: garbled(multipart(JSON.stringify(GOOD_BODIES[1]))).map(form) },
);

function multipart(request: string): string {
  const part = (name: string, content: string) =>
    `--b\r\nContent-Disposition: form-data; name="${name}"; filename="f"\r\nContent-Type: application/json\r\n\r\n${content}\r\n`;
  return `${part('request', request)}${part('context', 'not a tar')}--b--\r\n`;
}
