import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { connectRedis } from '../redis/connect.ts';
import { createKeys } from '../redis/keys.ts';
import { TestRedis } from '../testing/test-redis.ts';
import { AuditLog, type NewAuditEntry } from './audit-log.ts';

const ENTRY: NewAuditEntry = {
  actor: { kind: 'token', id: 't', name: 'ci', team: 'web' },
  ...{ action: 'submitBuild', outcome: 'done', status: 202, ip: '10.0.0.1', requestId: 'r' },
};
const STRANGER: NewAuditEntry = {
  ...ENTRY,
  actor: { kind: 'anonymous', id: 'anonymous', name: 'anonymous', team: '' },
  outcome: 'refused',
};
const keys = createKeys('audit');
let server: TestRedis;
let redis: ReturnType<typeof connectRedis>;
let log: AuditLog;

beforeAll(async () => {
  server = await TestRedis.start();
  redis = connectRedis(server.url, () => {});
  log = new AuditLog(redis, keys);
});
afterAll(async () => {
  redis.disconnect();
  await server[Symbol.asyncDispose]();
});
beforeEach(async () => {
  await redis.flushall();
});

const read = async (range: Parameters<AuditLog['read']>[0], limit = 1_000) =>
  (await log.read(range, limit)).map(({ id }) => id);

test('pages contain every entry once, in the order of appending, across both streams', async () => {
  const ids: string[] = [];
  for (let i = 0; i < 60; i += 1) ids.push(await log.append(i % 3 === 0 ? STRANGER : ENTRY));
  expect(await read({})).toEqual(ids);
  const pages: string[] = [];
  for (let page = await read({}, 7); page.length > 0; page = await read({ after: pages.at(-1) }, 7))
    pages.push(...page);
  expect(pages).toEqual(ids);
  const [first] = await log.read({}, 1);
  expect(first).toEqual({ id: ids[0], at: new Date(Number(ids[0]?.split('-')[0])).toISOString(), ...STRANGER });
});

test('a range includes its start and excludes its end', async () => {
  await redis.set(keys.auditLast(), '5000000000000-3');
  const [a, b] = [await log.append(ENTRY), await log.append(ENTRY)];
  expect([a, b]).toEqual(['5000000000000-4', '5000000000000-5']);
  await redis.set(keys.auditLast(), '5000000000010-0');
  const c = await log.append(ENTRY);
  expect(await read({ since: 5_000_000_000_000 })).toEqual([a, b, c]);
  expect(await read({ since: 5_000_000_000_001 })).toEqual([c]);
  expect(await read({ until: 5_000_000_000_010 })).toEqual([a, b]);
  expect(await read({ until: 5_000_000_000_000 })).toEqual([]);
  expect(await read({ after: a, since: 5_000_000_000_010 })).toEqual([c]);
  expect(await read({ after: b, since: 0 })).toEqual([c]);
});

test('a clock that steps back doesn’t change the order', async () => {
  await redis.set(keys.auditLast(), '9000000000000-0');
  expect([await log.append(ENTRY), await log.append(STRANGER)]).toEqual(['9000000000000-1', '9000000000000-2']);
});

test('old entries are trimmed, and callers without an identity can’t displace other entries', async () => {
  await log.append(ENTRY);
  for (let i = 0; i < 300; i += 1) await log.append(STRANGER);
  expect(await redis.xlen(keys.audit())).toBe(1);
  const now = Date.now();
  await log.trim(now - 60_000);
  expect(await read({})).toHaveLength(301);
  await log.trim(now + 60_000);
  // Redis trims whole blocks of a hundred.
  expect((await read({})).length).toBeLessThan(101);
});
