import { createHash } from 'node:crypto';
import { ALL_TEAMS, type Principal } from '@kiln/domain';
import type { Response } from 'express';
import { Html, html } from '../http/html.ts';

interface CliLogin {
  readonly code: string;
  readonly name?: string | undefined;
}

const STYLE = `
:root { color-scheme: light dark; --back: #fdfcfa; --ink: #23201c; --soft: #6b645b; --line: #e2dcd3; --act: #a8431b; }
@media (prefers-color-scheme: dark) { :root { --back: #1b1917; --ink: #ece6dd; --soft: #a59c90; --line: #3a352f; --act: #f0915f; } }
body { margin: 0; background: var(--back); color: var(--ink); font: 16px/1.55 system-ui, "Segoe UI", "Helvetica Neue", Arial, sans-serif; }
main { max-width: 30rem; margin: 12vh auto 0; padding: 0 1.5rem; }
h1 { font-size: 1.5rem; }
.code { font: 600 1.6rem ui-monospace, Menlo, Consolas, monospace; letter-spacing: 0.08em; padding: 0.8rem 1rem; border: 1px solid var(--line); border-radius: 8px; text-align: center; }
.soft { color: var(--soft); }
button { font: inherit; font-weight: 600; padding: 0.6rem 1.4rem; border: 0; border-radius: 8px; background: var(--act); color: var(--back); cursor: pointer; }
button:focus-visible { outline: 3px solid var(--ink); outline-offset: 2px; }
`;
const STYLE_HASH = createHash('sha256').update(STYLE).digest('base64');

/** What a person compares: the first digits of the code, as `kiln login` prints them too. */
function shownCode({ code }: CliLogin): string {
  return `${code.slice(0, 4)}-${code.slice(4, 8)}`.toUpperCase();
}

/** Asks the person to approve a login of the command line. Its form posts to the page's own URL. */
export function approvalPage(login: CliLogin, { name, team }: Principal): Html {
  const where = login.name === undefined ? html`a command` : html`<b>kiln</b> on <b>${login.name}</b>`;
  const access = team === ALL_TEAMS ? html`all teams` : html`team <b>${team}</b>`;
  return page(
    'Log in the command line',
    html`<p>Let ${where} act as <b>${name}</b> (${access})?</p>
<p class="code">${shownCode(login)}</p>
<p>Approve only if you have just run <b>kiln login</b>, and it shows the same code.</p>
<form method="post"><button type="submit">Approve</button></form>
<p class="soft">Otherwise close this page: another person may be trying to use your access.</p>`,
  );
}

/** Confirms the approval. */
export function approvedPage(login: CliLogin): Html {
  return page('Logged in', html`<p>The login <b>${shownCode(login)}</b> is approved. You can close this page.</p>`);
}

function page(title: string, body: Html): Html {
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title} · Kiln</title>
<style>${new Html(STYLE)}</style>
</head>
<body><main><h1>${title}</h1>
${body}
</main></body>
</html>
`;
}

/** Sends a page that loads nothing, and whose form can only post to this site. */
export function sendPage(response: Response, { text }: Html): void {
  const policy = `default-src 'none'; style-src 'sha256-${STYLE_HASH}'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'`;
  response.status(200).setHeader('Content-Type', 'text/html; charset=utf-8');
  response.setHeader('Content-Security-Policy', policy);
  // Under no-referrer, which is the default here, browsers send the form with `Origin: null`.
  response.setHeader('Referrer-Policy', 'same-origin');
  response.end(text);
}
