import { FORGES, type ForgeName, forgeEvent } from '@kiln/contracts';
import collected from '@octokit/webhooks-examples';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { forge, guessForge } from '../forges.ts';
import { delivery, NOW_MS, SECRET, sign } from '../testing/fixtures.ts';
import { BadPayload } from './payload.ts';

/** Reads a body: its events, or the code and errors of `BadPayload`. Any other error fails the test. */
function read(name: ForgeName, headers: Parameters<typeof sign>[2], body: Buffer) {
  try {
    const events = forge(name).events(headers, forge(name).payload(headers, body));
    for (const event of events) forgeEvent.parse(event);
    return { events };
  } catch (error) {
    if (!(error instanceof BadPayload)) throw error;
    return { code: error.code, errors: error.errors };
  }
}

const JSON_HEADERS: Readonly<Record<ForgeName, Parameters<typeof sign>[2]>> = {
  github: { 'content-type': 'application/json', 'x-github-event': 'push' },
  gitlab: { 'content-type': 'application/json' },
  gitea: { 'content-type': 'application/json; charset=utf-8', 'x-gitea-event': 'push' },
  bitbucket: { 'content-type': 'application/json', 'x-event-key': 'repo:push' },
};

describe.each(FORGES)('%s', (name) => {
  const { headers, body, json } = delivery(name, 'push');

  it('reads a body of 25 MB', () => {
    const padded = Buffer.from(JSON.stringify({ ...(json as object), padding: 'x'.repeat(25 * 1024 * 1024) }));
    const signed = sign(name, padded, headers);
    expect(forge(name).verify(signed.headers, padded, SECRET, NOW_MS)).toEqual({ ok: true });
    expect(read(name, headers, padded)).toHaveProperty('events');
  });

  it('answers a million invalid fields with a short problem', () => {
    const commits = Array(1_000_000).fill(0);
    const spoilt = { ...(json as object), commits, push: { changes: commits } };
    const result = read(name, headers, Buffer.from(JSON.stringify(spoilt)));
    expect(JSON.stringify(result).length).toBeLessThan(20_000);
  });

  it('survives nesting a hundred thousand levels deep, in ignored fields and in fields that it reads', () => {
    const deep = '['.repeat(100_000) + ']'.repeat(100_000);
    const text = body.toString();
    expect(read(name, headers, Buffer.from(text.replace('{', `{"padding":${deep},`)))).toHaveProperty('events');
    const spoilt = JSON.stringify({ ...(json as object), repository: 'HERE', project: 'HERE' });
    const result = read(name, headers, Buffer.from(spoilt.replaceAll('"HERE"', deep)));
    expect(result).toMatchObject({ code: 'invalid_request', errors: [{ got: '[[[["[…]"]]]]' }] });
  });

  it('ignores keys named __proto__ and constructor', () => {
    const text = body
      .toString()
      .replace('{', '{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}},');
    expect(read(name, headers, Buffer.from(text))).toEqual(read(name, headers, body));
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
    const onlyProto = { ...JSON_HEADERS[name], 'x-github-event': '__proto__', 'x-event-key': 'constructor' };
    expect(read(name, onlyProto, Buffer.from('{"object_kind":"__proto__"}'))).not.toHaveProperty('polluted');
  });

  it('refuses other media types, invalid UTF-8 and invalid JSON', () => {
    const type = (value: string | undefined) => ({ ...headers, 'content-type': value });
    for (const wrong of ['text/plain', 'application/xml', 'multipart/form-data; boundary=x', '', undefined]) {
      expect(read(name, type(wrong), body)).toMatchObject({
        code: 'unsupported_media_type',
        errors: [{ field: 'header Content-Type', expected: expect.stringContaining('application/json') }],
      });
    }
    expect(read(name, headers, Buffer.from([0x22, 0xff, 0x22]))).toMatchObject({ code: 'malformed_json' });
    for (const text of ['', '{', 'null x', '{"a":1,}', '\u0000']) {
      expect(read(name, headers, Buffer.from(text))).toMatchObject({ code: 'malformed_json' });
    }
  });

  it.each(['null', '1', '"x"', '[]', '{}', '{"repository":null,"object_kind":"push"}'])(
    'names the fields that are missing in %s',
    (text) => {
      const result = read(name, JSON_HEADERS[name], Buffer.from(text));
      expect(result.errors?.length).toBeGreaterThan(0);
      expect(result.code).toBe('invalid_request');
    },
  );

  it('throws only BadPayload, whichever field of a payload is altered', () => {
    const paths = leaves(json);
    const junk = fc.oneof(
      fc.jsonValue(),
      fc.constantFrom(null, '', 'refs/heads/..', '-x', 'ext::sh', '../..', 0, -1, 1e99, '\ud800'),
    );
    fc.assert(
      fc.property(fc.nat(paths.length - 1), junk, (index, value) => {
        const altered = structuredClone(json);
        assign(altered, paths[index] ?? [], value);
        read(name, headers, Buffer.from(JSON.stringify(altered)));
      }),
      { numRuns: 500 },
    );
  });

  it('throws only BadPayload for arbitrary headers and bytes', () => {
    const value = fc.oneof(
      fc.string(),
      fc.constantFrom('push', 'pull_request', 'repo:push', 'pullrequest:updated', 'check_run', '__proto__'),
    );
    const keys = fc.constantFrom('x-github-event', 'x-gitea-event', 'x-forgejo-event', 'x-event-key', 'content-type');
    const bytes = fc.oneof(
      fc.json().map((text) => Buffer.from(text)),
      fc.uint8Array().map((array) => Buffer.from(array)),
    );
    fc.assert(
      fc.property(fc.dictionary(keys, value), bytes, fc.boolean(), (given, bytes, typed) => {
        const headers = typed ? { ...given, 'content-type': 'application/json' } : given;
        read(name, headers, bytes);
        forge(name).deliveryId(headers);
        expect(forge(name).verify(headers, bytes, SECRET, NOW_MS).ok).toBe(false);
      }),
      { numRuns: 500 },
    );
  });
});

describe('a payload in a form', () => {
  const form = 'application/x-www-form-urlencoded';

  it.each(['github', 'gitea'] as const)('is read from %s', (name) => {
    const { headers, body } = delivery(name, 'push');
    const encoded = Buffer.from(new URLSearchParams({ payload: body.toString() }).toString());
    const signed = sign(name, encoded, { ...headers, 'content-type': form });
    expect(forge(name).verify(signed.headers, encoded, SECRET, NOW_MS)).toEqual({ ok: true });
    expect(read(name, { ...headers, 'content-type': form }, encoded)).toEqual(read(name, headers, body));
    expect(read(name, { ...headers, 'content-type': form }, Buffer.from('x=1'))).toMatchObject({
      code: 'invalid_request',
    });
  });

  it.each(['gitlab', 'bitbucket'] as const)('is refused from %s, which never sends forms', (name) => {
    const { headers } = delivery(name, 'push');
    expect(read(name, { ...headers, 'content-type': form }, Buffer.from('payload={}'))).toMatchObject({
      code: 'unsupported_media_type',
    });
  });
});

describe('a payload with an unsafe value is refused', () => {
  const alter = (change: (json: Record<string, never>) => void) => {
    const { headers, json } = delivery('github', 'push');
    change(json as Record<string, never>);
    return read('github', headers, Buffer.from(JSON.stringify(json)));
  };

  it.each([
    ['repository.clone_url', 'ext::sh -c id'],
    ['repository.clone_url', 'file:///etc'],
    ['repository.clone_url', 'https://user:pass@github.com/a/b'],
    ['repository.full_name', '../../admin'],
    ['repository.full_name', 'a/../b'],
    ['ref', 'refs/heads/-upload-pack=x'],
    ['ref', 'refs/heads/a b'],
    ['after', 'HEAD'],
  ])('%s: %s', (path, value) => {
    const result = alter((json) => assign(json, path.split('.'), value));
    expect(result).toMatchObject({
      code: 'invalid_request',
      errors: [expect.objectContaining({ expected: expect.any(String) })],
    });
  });
});

it('lists at most 20 problems of very many invalid pull requests', () => {
  const { headers, json } = delivery('github', 'check_suite-rerequested');
  const { check_suite, ...rest } = json as { check_suite: object };
  const withPulls = (count: number) => ({
    ...rest,
    check_suite: { ...check_suite, pull_requests: Array(count).fill({}) },
  });
  for (const count of [900, 500_000]) {
    const result = read('github', headers, Buffer.from(JSON.stringify(withPulls(count))));
    expect(result.code).toBe('invalid_request');
    expect(result.errors?.length).toBeLessThanOrEqual(20);
  }
});

it('reads every example that octokit collected, or ignores it with a reason', () => {
  const seen = new Set<string>();
  const webhooks = collected as unknown as readonly { name: string; examples: readonly unknown[] }[];
  for (const { name, examples } of webhooks) {
    for (const example of examples) {
      const [event] = forge('github').events({ 'x-github-event': name }, example);
      seen.add(event.type);
      if (event.type === 'ignored') expect(event.reason).not.toBe('');
      else forgeEvent.parse(event);
    }
  }
  expect([...seen].sort()).toEqual(['ignored', 'ping', 'pull_request', 'push', 'rerun', 'tag']);
});

it('guesses the forge of any JSON value without throwing', () => {
  fc.assert(fc.property(fc.jsonValue(), (json) => void guessForge(json)));
});

type Path = readonly (string | number)[];

function leaves(value: unknown, path: Path = []): Path[] {
  if (typeof value !== 'object' || value === null) return [path];
  const inside = Object.entries(value).flatMap(([key, held]) =>
    leaves(held, [...path, Array.isArray(value) ? Number(key) : key]),
  );
  return [path, ...inside].filter((one) => one.length > 0);
}

function assign(target: unknown, path: Path, value: unknown): void {
  const holder = path.slice(0, -1).reduce<unknown>((at, key) => (at as Record<string | number, unknown>)[key], target);
  (holder as Record<string | number, unknown>)[path.at(-1) ?? ''] = value;
}
