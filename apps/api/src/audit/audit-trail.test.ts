import type { AddressInfo } from 'node:net';
import express from 'express';
import { pino } from 'pino';
import { expect, test } from 'vitest';
import { PATIENT } from '../testing/patient.ts';
import { AuditTrail } from './audit-trail.ts';

const ALL = { action: 'createToken', isAlways: true };

/** Starts a server with one audited route, whose entries wait for `open`. */
async function serve() {
  const entries: unknown[] = [];
  const gate = Promise.withResolvers<string>();
  const audit = {
    append: (entry: unknown) => {
      entries.push(entry);
      return gate.promise;
    },
  };
  const trail = new AuditTrail(audit, pino({ level: 'silent' }));
  const app = express();
  app.get('/audited', (request, response) => {
    Object.assign(response.locals, { requestId: 'r', ip: '::1' });
    trail.begin(ALL, request, response);
    response.writeHead(201).end('made');
  });
  app.get('/twice', (request, response) => {
    Object.assign(response.locals, { requestId: 'r', ip: '::1' });
    const audited = trail.begin(ALL, request, response);
    void audited.settle();
    response.end('first');
    response.end('second');
  });
  app.get('/other', (_request, response) => void response.end('other'));
  const server = app.listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const close = () => new Promise<void>((resolve) => void server.close(() => resolve()));
  return { url, entries, open: () => gate.resolve('1-0'), [Symbol.asyncDispose]: close };
}

test('an answer ends only after its entry is written', async () => {
  await using server = await serve();
  let answered = false;
  const answer = fetch(`${server.url}/audited`).then((response) => {
    answered = true;
    return response;
  });
  await expect.poll(() => server.entries.length, PATIENT).toBe(1);
  // If it had been sent, it would have arrived before the answer to a later request.
  for (let i = 0; i < 3; i += 1) await (await fetch(`${server.url}/other`)).text();
  expect(answered).toBe(false);
  server.open();
  expect([(await answer).status, await (await answer).text()]).toEqual([201, 'made']);
});

test('one entry is written, however often the answer is ended', async () => {
  await using server = await serve();
  server.open();
  expect(await (await fetch(`${server.url}/twice`)).text()).toBe('first');
  expect(server.entries).toHaveLength(1);
});
