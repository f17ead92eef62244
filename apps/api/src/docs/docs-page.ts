import { createHash } from 'node:crypto';
import type { Request, Response } from 'express';
import { Html, html, prose } from '../http/html.ts';
import type { Content, OpenApi, Operation } from './openapi-shape.ts';
import { fields, row, typeOf } from './schema-html.ts';
import { STYLE } from './style.ts';

interface Route {
  readonly method: string;
  readonly path: string;
  readonly operation: Operation;
}

/**
 * Renders the OpenAPI document as one page, once. It has no script, font or external request, so that it works behind any firewall and
 * under a policy that allows only its own style.
 */
export function docsPage(document: unknown): (request: Request, response: Response) => Promise<void> {
  const page = Buffer.from(render(document as OpenApi).text);
  const style = createHash('sha256').update(STYLE).digest('base64');
  return async (_request, response) => {
    response.writeHead(200, {
      'Content-Type': 'text/html; charset=utf-8',
      'Content-Length': page.length,
      'Content-Security-Policy': `default-src 'none'; style-src 'sha256-${style}'; frame-ancestors 'none'; base-uri 'none'`,
    });
    response.end(page);
  };
}

function render({ info, tags, paths, components }: OpenApi): Html {
  const routes = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ method, path, operation })),
  );
  const groups = tags.map(({ name }) => ({
    name,
    routes: routes.filter(({ operation }) => operation.tags.includes(name)),
  }));
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${info.title} API</title>
<style>${raw(STYLE)}</style>
</head>
<body>
<nav>
<p class="brand">${info.title} <small>${info.version}</small></p>
${groups.map(({ name, routes }) => html`<h2>${name}</h2><ul>${routes.map(link)}</ul>`)}
<h2>Schemas</h2>
<ul>${Object.keys(components.schemas).map((name) => html`<li><a href="#schema-${name}">${name}</a></li>`)}</ul>
</nav>
<main>
<header>
<h1>${info.title} API</h1>
<p>${prose(info.description)}</p>
<p>Send <code>Authorization: Bearer TOKEN</code> with every request below <code>/v1</code>. Every response with a status of 400 or above is a <a href="#schema-Problem">Problem</a>, <code>application/problem+json</code>. This page as OpenAPI: <a href="/openapi.json">/openapi.json</a>.</p>
</header>
${groups.map(({ name, routes }) => html`<section><h2>${name}</h2>${routes.map(article)}</section>`)}
<section><h2>Schemas</h2>
${Object.entries(components.schemas).map(
  ([name, schema]) =>
    html`<article id="schema-${name}"><h3>${name}</h3>${schema.description !== undefined && html`<p>${prose(schema.description)}</p>`}${fields(schema)}</article>`,
)}
</section>
</main>
</body>
</html>
`;
}

function link({ method, path, operation }: Route): Html {
  return html`<li><a href="#${operation.operationId}" title="${operation.summary}">${badge(method)} ${shortPath(path)}</a></li>`;
}

function badge(method: string): Html {
  return html`<b class="method ${method}">${method.toUpperCase()}</b>`;
}

/** The path without `/v1`, as the margin is narrow. */
function shortPath(path: string): Html {
  return html`${path.replace(/^\/v1/, '')}`;
}

function article({ method, path, operation }: Route): Html {
  const { operationId, summary, description, parameters, requestBody, responses, security } = operation;
  return html`<article id="${operationId}">
<h3>${badge(method)} <code>${path}</code></h3>
<p class="summary">${summary}${security.length === 0 && html` <em>no credential needed</em>`}</p>
${description !== undefined && html`<p>${prose(description)}</p>`}
${example(method, path, operation)}
${
  parameters.length > 0 &&
  html`<h4>Parameters</h4>
<table><tbody>${parameters.map((one) => row(one.in === 'query' ? `?${one.name}` : one.name, one.schema, one.required, one.description))}</tbody></table>`
}
${requestBody && html`<h4>Body</h4>${contents(requestBody.content, true)}`}
<h4>Responses</h4>
<dl>${Object.entries(responses).map(
    ([status, answer]) =>
      html`<dt class="${status < '300' ? 'good' : 'bad'}">${status}</dt><dd>${prose(answer.description)}${answer.content && status < '400' && contents(answer.content, false)}</dd>`,
  )}</dl>
</article>
`;
}

/** The media types and their schemas; `isWhole` expands schemas without a name. */
function contents(content: Content, isWhole: boolean): Html {
  return html`${Object.entries(content).map(
    ([type, { schema }]) =>
      html`<div class="content"><code>${type}</code> ${!schema.properties && typeOf(schema)}${schema.description !== undefined && html` <span>${prose(schema.description)}</span>`}${schema.properties && isWhole && fields(schema)}</div>`,
  )}`;
}

const SAMPLE = '{"source":{"type":"git","url":"https://git.example/app"}}';

function example(method: string, path: string, { security, requestBody }: Operation): Html {
  const url = path.replace(/\{(\w+)\}/g, (_, name: string) => `$${name.toUpperCase()}`);
  const parts = [
    `curl${method === 'get' ? '' : ` -X ${method.toUpperCase()}`} "$KILN_URL${url}"`,
    security.length > 0 && '-H "Authorization: Bearer $TOKEN"',
    requestBody?.content['application/json'] && `-H 'Content-Type: application/json' -d '${SAMPLE}'`,
    requestBody?.content['application/x-tar'] && '-T artifact.tar',
  ].filter((part) => typeof part === 'string');
  return html`<pre>${parts.join(' \\\n  ')}</pre>`;
}

function raw(text: string): Html {
  return new Html(text);
}
