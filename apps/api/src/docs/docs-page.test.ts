import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { openApiDocument, ROUTES } from '@kiln/contracts';
import type { Response as Answer, Request } from 'express';
import { expect, onTestFinished, test } from 'vitest';
import { docsPage } from './docs-page.ts';

async function page(): Promise<Response> {
  const handler = docsPage(openApiDocument('1.2.3'));
  const server = createServer((request, response) => void handler(request as Request, response as Answer));
  onTestFinished(() => void server.close());
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
}

test('shows every route and schema, without dead links', async () => {
  const text = await (await page()).text();
  for (const [id, { summary }] of Object.entries(ROUTES)) {
    expect(text).toContain(`id="${id}"`);
    expect(text).toContain(summary);
  }
  const ids = new Set([...text.matchAll(/ id="([^"]+)"/g)].map(([, id]) => id));
  for (const [, target] of text.matchAll(/href="#([^"]+)"/g)) expect(ids).toContain(target);
});

test('loads nothing external, and its policy allows only its own style', async () => {
  const answer = await page();
  const text = await answer.text();
  expect(text).not.toMatch(/<script|<link|<img|<iframe|@import|url\(|src=| on\w+=| style=/);
  const style = /<style>([\s\S]*)<\/style>/.exec(text)?.[1] ?? '';
  const hash = createHash('sha256').update(style).digest('base64');
  expect(answer.headers.get('content-security-policy')).toBe(
    `default-src 'none'; style-src 'sha256-${hash}'; frame-ancestors 'none'; base-uri 'none'`,
  );
});
