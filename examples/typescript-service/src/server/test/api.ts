import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { pino } from 'pino';
import { buildApp } from '../app.ts';
import { Catalog } from '../store/catalog.ts';
import { UsageCounter } from '../store/usage-counter.ts';
import { flagDraft } from './support/fixtures.ts';

async function startApp(context: TestContext) {
  const now = () => new Date('2026-01-01T12:34:56Z');
  const catalog = new Catalog({ append: async () => undefined }, [], now);
  const app = await buildApp(
    { catalog, usage: new UsageCounter(now) },
    { logger: pino({ level: 'silent' }), requestsPerMinute: 1_000 },
  );
  context.after(() => app.close());
  return app;
}

const url = '/api/flags/new-checkout';

test('a flag is created, changed from its revision and evaluated', async (context) => {
  const app = await startApp(context);
  const created = await app.inject({ method: 'PUT', url, payload: flagDraft() });
  assert.equal(created.statusCode, 201);

  const payload = flagDraft({}, { enabled: true });
  const blind = await app.inject({ method: 'PUT', url, payload });
  assert.equal(blind.statusCode, 409);
  assert.equal(blind.json().code, 'revision_conflict');
  const changed = await app.inject({ method: 'PUT', url, payload, headers: { 'if-match': '"1"', 'x-actor': 'ada' } });
  assert.equal(changed.statusCode, 200);

  const evaluated = await app.inject({
    method: 'POST',
    url: '/api/evaluations',
    payload: { environment: 'production', subject: { key: 'user-1' } },
  });
  assert.deepEqual(evaluated.json(), [
    { flag: 'new-checkout', variant: 'on', value: true, reason: { kind: 'fallthrough' } },
  ]);
  const usage = await app.inject({ url: `${url}/usage` });
  assert.deepEqual(usage.json(), [{ hour: '2026-01-01T12:00:00.000Z', variant: 'on', count: 1 }]);
  const audit = await app.inject({ url: '/api/audit?limit=1' });
  assert.equal(audit.json()[0].actor, 'ada');
});

test('a draft that does not fit is refused with every reason', async (context) => {
  const app = await startApp(context);
  const draft = flagDraft({ name: '' }, { offVariant: 'gone' });
  const refused = await app.inject({ method: 'PUT', url, payload: draft });
  assert.equal(refused.statusCode, 400);
  assert.equal(refused.json().code, 'invalid_request');
  assert.deepEqual(
    refused.json().issues.map((issue: { path: string }) => issue.path),
    ['name', 'targeting.production'],
  );
  assert.match(refused.json().issues[1].message, /no variant "gone"/);
});

test('what is not there is not found', async (context) => {
  const app = await startApp(context);
  const missing = await app.inject({ method: 'DELETE', url });
  assert.equal(missing.statusCode, 404);
  assert.equal(missing.json().code, 'not_found');
});

test('broken JSON is the sender’s fault', async (context) => {
  const app = await startApp(context);
  const headers = { 'content-type': 'application/json' };
  const broken = await app.inject({ method: 'PUT', url, payload: '{', headers });
  assert.equal(broken.statusCode, 400);
});
