import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import type { AxeResults } from 'axe-core';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';

const { resolve } = createRequire(import.meta.url);

/** Starts Debian's Chromium without what it does on its own over the network. */
export function startChromium(): Promise<Browser> {
  return chromium.launch({
    executablePath: process.env.KILN_CHROMIUM ?? '/usr/bin/chromium',
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-dev-shm-usage',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-default-apps',
      '--disable-sync',
      '--no-first-run',
    ],
  });
}

/** A page of a browser, with what went wrong in it. */
export interface Visit extends AsyncDisposable {
  readonly page: Page;
  /** Requests to other hosts than that of the page. */
  readonly strangers: readonly string[];
  /** Errors of scripts, and what the browser refused by the page's policy. */
  readonly errors: readonly string[];
}

/** Opens a page with cookies of its own. */
export async function visit(browser: Browser, url: string, options: BrowserContextOptions = {}): Promise<Visit> {
  const context = await browser.newContext({ baseURL: url, ...options });
  const page = await context.newPage();
  const strangers: string[] = [];
  const errors: string[] = [];
  const { host } = new URL(url);
  page.on('request', (request) => {
    const to = new URL(request.url());
    if (to.protocol !== 'data:' && to.protocol !== 'blob:' && to.host !== host) strangers.push(request.url());
  });
  page.on('pageerror', (error) => errors.push(String(error)));
  page.on('console', (message) => {
    // The browser itself reports each answer of 400 or above, which the page shows.
    if (message.type() === 'error' && !message.text().startsWith('Failed to load resource'))
      errors.push(message.text());
  });
  return { page, strangers, errors, [Symbol.asyncDispose]: () => context.close() };
}

/** What axe finds wrong on a page, in words; nothing if all is well. `rules`: only these. Default: all. */
export async function axeViolations(page: Page, rules?: readonly string[]): Promise<string[]> {
  // By the debugger, which the page's policy does not bind.
  await page.evaluate(await readFile(resolve('axe-core/axe.min.js'), 'utf8'));
  const { violations } = (await page.evaluate(
    `axe.run(${JSON.stringify(rules ? { runOnly: rules } : {})})`,
  )) as AxeResults;
  return violations.flatMap(({ id, help, nodes }) =>
    nodes.map(({ target, failureSummary }) => `${id}: ${help}: ${target.join(' ')}: ${failureSummary ?? ''}`),
  );
}
