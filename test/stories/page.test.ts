import { formatToken, TOKEN_BYTES } from '@kiln/domain';
import { seededBytes } from '@kiln/runtime/testing';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { axeViolations, startChromium, type Visit, visit } from '../support/browser.ts';
import { DEBIAN } from '../support/dockerfiles.ts';
import { sharedPool } from '../support/pool/start-pool.ts';

const pool = sharedPool(() => ({}));
const WAIT = { timeout: 60_000 };

let browser: Browser;
beforeAll(async () => {
  browser = await startChromium();
});
afterAll(() => browser.close());

/** A page that is logged in with the pool's token. */
async function loggedIn(path = '/', options: Parameters<typeof visit>[2] = {}): Promise<Visit> {
  const { client } = pool();
  const { code } = await client.createLoginCode();
  const visited = await visit(browser, client.url, options);
  await visited.page.goto(`${path}#login=${code}`);
  await visited.page.getByRole('link', { name: 'Builds' }).first().waitFor(WAIT);
  return visited;
}

/** Whether the page is whole: nothing loaded from elsewhere, no error, nothing that axe finds, in either theme. */
async function expectWhole({ page, strangers, errors }: Visit): Promise<void> {
  await page.emulateMedia({ colorScheme: 'light', reducedMotion: 'reduce' });
  expect(await axeViolations(page), 'light').toEqual([]);
  // Only colours differ.
  await page.emulateMedia({ colorScheme: 'dark', reducedMotion: 'reduce' });
  expect(await axeViolations(page, ['color-contrast']), 'dark').toEqual([]);
  expect(errors).toEqual([]);
  expect(strangers).toEqual([]);
}

const rowOf = (page: Page, name: string) => page.getByRole('row').filter({ hasText: name });
const fast = (command: string) => `FROM ${DEBIAN}\nRUN --network=none ${command}\n`;

describe('logging in', () => {
  test('takes a token, says why one is refused, and is forgotten at logout', async () => {
    await using visited = await visit(browser, pool().client.url);
    const { page } = visited;
    await page.goto('/?state=failed');
    await page.getByLabel('Token').fill('made-up');
    await page.getByRole('button', { name: 'Log in' }).click();
    await page.getByText('unknown to this Kiln').waitFor(WAIT);
    await expectWhole(visited);
    await page.getByLabel('Token').fill(pool().clientEnv.KILN_TOKEN);
    await page.getByRole('button', { name: 'Log in' }).click();
    await page.getByLabel('State').waitFor(WAIT);
    expect(await page.getByLabel('State').inputValue()).toBe('failed');
    await page.getByRole('button', { name: 'local admin' }).click();
    await page.getByRole('menuitem', { name: 'Log out' }).click();
    await page.getByLabel('Token').waitFor(WAIT);
    await page.reload();
    await page.getByLabel('Token').waitFor(WAIT);
  });

  test('works once with the code in an address, which is not left there', async () => {
    const { client } = pool();
    const { code } = await client.createLoginCode();
    await using first = await visit(browser, client.url);
    await first.page.goto(`/#login=${code}`);
    await first.page.getByRole('link', { name: 'Builds' }).first().waitFor(WAIT);
    expect(first.page.url()).not.toContain(code);
    await using second = await visit(browser, client.url);
    await second.page.goto(`/#login=${code}`);
    await second.page.getByText('was used before').waitFor(WAIT);
  });

  test('with a token that may not see builds shows what is missing', async () => {
    const token = formatToken('api', seededBytes(TOKEN_BYTES, 'page'));
    const { tokens } = await pool().state();
    await tokens.create(token, {
      ...{
        kind: 'api',
        name: 'secrets only',
        team: 'default',
        scopes: ['secrets:write'],
        trust: 'trusted',
        createdBy: 'test',
      },
    });
    await using visited = await visit(browser, pool().client.url);
    const { page } = visited;
    await page.goto('/');
    await page.getByLabel('Token').fill(token);
    await page.getByRole('button', { name: 'Log in' }).click();
    await page.getByText('This needs the scope builds:read').waitFor(WAIT);
    await expectWhole(visited);
  });
});

describe('the list of builds', () => {
  test('shows builds as they come, run and end, without being asked', async () => {
    await using visited = await loggedIn();
    const { page } = visited;
    const held = await pool().hang(undefined, { name: 'watched-live' });
    const row = rowOf(page, 'watched-live');
    await row.getByText('running').waitFor(WAIT);
    await held.release();
    await row.getByText('succeeded').waitFor(WAIT);
    const failing = await pool().submit(fast('echo before; exit 3'), { name: 'watched-failing' });
    expect(await pool().end(failing.id, 120_000)).toMatchObject({ state: 'failed' });
    await rowOf(page, 'watched-failing')
      .getByText(/exit code/)
      .waitFor(WAIT);
    await expectWhole(visited);

    await page.getByLabel('State').selectOption('failed');
    await rowOf(page, 'watched-live').waitFor({ ...WAIT, state: 'detached' });
    await rowOf(page, 'watched-failing').waitFor(WAIT);
    expect(new URL(page.url()).search).toBe('?state=failed');
    await page.getByLabel('Search').fill('nothing like it');
    await page.getByText('No build matches').waitFor(WAIT);
    await page.getByRole('button', { name: 'Show all builds' }).click();
    await rowOf(page, 'watched-live').waitFor(WAIT);
    await page.getByRole('link', { name: 'watched-failing' }).click();
    await page.getByRole('heading', { name: 'watched-failing' }).waitFor(WAIT);
    expect(new URL(page.url()).pathname).toBe(`/builds/${failing.id}`);
  });

  test('is used by keyboard, and what it shows can be canceled at once', async () => {
    const held = await pool().hang(undefined, { name: 'canceled-with-others' });
    await using visited = await loggedIn();
    const { page } = visited;
    await rowOf(page, 'canceled-with-others').waitFor(WAIT);
    await page.keyboard.press('?');
    await page.getByRole('dialog').getByText('Show these keys').waitFor(WAIT);
    await expectWhole(visited);
    await page.keyboard.press('Escape');
    await page.getByRole('dialog').waitFor({ ...WAIT, state: 'detached' });
    await page.keyboard.press('/');
    await expect.poll(() => page.evaluate('document.activeElement.type')).toBe('search');
    await page.getByRole('searchbox').fill('with-others');
    // Prints what the page shows instead, if it fails.
    await expect.poll(() => page.getByRole('main').textContent()).toContain('Cancel 1 build …');
    await page.getByRole('button', { name: 'Cancel 1 build …' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Cancel 1 build' }).click();
    await rowOf(page, 'canceled-with-others').getByText('canceled').first().waitFor(WAIT);
    await held.stopped();
    await page.getByRole('searchbox').press('Escape');
    await page.getByRole('link', { name: 'canceled-with-others' }).focus();
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'canceled-with-others' }).waitFor(WAIT);
  });

  test('says that the connection is lost, and goes on by itself when it is back', async () => {
    await using visited = await loggedIn();
    const { page } = visited;
    await page.getByLabel('Search').waitFor(WAIT);
    await pool().kill('api', '1');
    await page.getByText('The connection to Kiln was lost').waitFor(WAIT);
    await pool().start('api', '1');
    await page.getByText('The connection to Kiln was lost').waitFor({ ...WAIT, state: 'detached' });
    await pool().submit(fast('true'), { name: 'after-the-loss' });
    await rowOf(page, 'after-the-loss').waitFor(WAIT);
  });
});

describe('a build', () => {
  const part = (page: Page, name: string) =>
    page.getByRole('navigation', { name: 'Parts of the build' }).getByRole('link', { name });

  test('that failed opens at its error, with the Dockerfile’s lines and the end of the output, and can be repeated', async () => {
    const { id } = await pool().submit(
      fast('for i in $(seq 300); do echo "line $i"; done; printf "\\033[31mred\\033[0m end\\n"; exit 3'),
      {
        name: 'opened-failing',
      },
    );
    expect(await pool().end(id)).toMatchObject({ state: 'failed' });
    await using visited = await loggedIn(`/builds/${id}`);
    const { page } = visited;
    const failure = page.getByRole('region', { name: 'Failure' });
    await failure.getByText('>>> RUN').waitFor(WAIT);
    await failure.getByText('red end').waitFor(WAIT);
    const log = page.getByRole('region', { name: 'Log', exact: true });
    await log.locator('.marked').getByText('ERROR').waitFor(WAIT);
    expect(await log.locator('.fg1').textContent()).toBe('red');
    await page.getByLabel('Search the log').fill('LINE 29');
    await page.getByText('1 of 11').waitFor(WAIT);
    await page.getByRole('button', { name: 'Next match' }).click();
    await page.getByText('2 of 11').waitFor(WAIT);
    await log.getByText('line 290').waitFor(WAIT);
    await log
      .getByRole('button', { name: /^Link to line/ })
      .first()
      .click();
    expect(new URL(page.url()).searchParams.get('line')).toMatch(/^\d+$/);
    await expectWhole(visited);
    await part(page, 'Steps').click();
    await page.getByRole('list', { name: 'Steps over time' }).getByText('RUN').waitFor(WAIT);
    await expectWhole(visited);
    await part(page, 'Why slow').click();
    await page.getByText('steps were cached').waitFor(WAIT);
    await expectWhole(visited);
    await part(page, 'Why there').click();
    await page.getByRole('cell', { name: 'chosen' }).waitFor(WAIT);
    await expectWhole(visited);
    await part(page, 'Outputs').click();
    await page.getByText('made nothing that is kept').waitFor(WAIT);
    await page.getByRole('button', { name: 'Retry' }).click();
    await page.getByText('Retry of').waitFor(WAIT);
    expect(new URL(page.url()).pathname).not.toContain(id);
  });

  test('that runs is followed live, and canceled after a question', async () => {
    const held = await pool().hang(undefined, { name: 'opened-running' });
    await using visited = await loggedIn(`/builds/${held.id}`, { viewport: { width: 390, height: 800 } });
    const { page } = visited;
    await page
      .getByText('begun', { exact: true })
      .or(page.getByText(/ begun$/))
      .first()
      .waitFor(WAIT);
    await page.getByRole('button', { name: 'Cancel' }).click();
    await expectWhole(visited);
    await page.getByRole('button', { name: 'Cancel the build' }).click();
    await page.getByRole('heading').getByText('canceled').waitFor(WAIT);
    await page.getByRole('button', { name: 'Retry' }).waitFor(WAIT);
    await held.stopped();
  });

  test('that is not there, or of another team, is said to be missing', async () => {
    await using visited = await loggedIn('/builds/00000000000000000000000000');
    await visited.page.getByText('Not found').waitFor(WAIT);
    await expectWhole(visited);
  });
});

describe('the pool', () => {
  test('shows its hosts, the queue and what is warm, and cordons, changes and uncordons a host after asking', async () => {
    const { client } = pool();
    const [host] = await client.hosts();
    const name = host?.name ?? '';
    await using visited = await loggedIn('/pool');
    const { page } = visited;
    const link = page.getByRole('rowheader').getByRole('link', { name, exact: true });
    await page.getByRole('cell', { name: 'ready' }).waitFor(WAIT);
    await page.getByText('No build waits.').waitFor(WAIT);
    await expectWhole(visited);

    await link.click();
    await page.getByRole('button', { name: 'Cordon' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByText('gets no new builds').waitFor(WAIT);
    await expectWhole(visited);
    await page.keyboard.press('Escape');
    await dialog.waitFor({ ...WAIT, state: 'detached' });
    expect(await client.hosts()).toMatchObject([{ state: 'ready' }]);

    await page.getByRole('button', { name: 'Cordon' }).click();
    await dialog.getByRole('button', { name: 'Cordon' }).click();
    await page.getByRole('heading', { name: 'cordoned' }).waitFor(WAIT);
    const waiting = await pool().submit(fast('true'), { name: 'waits-for-host' });
    await page.getByRole('link', { name: 'Pool', exact: true }).first().click();
    await page.getByText('0 of 1 host take builds').waitFor(WAIT);
    await page.getByRole('link', { name: 'waits-for-host' }).waitFor(WAIT);

    await link.click();
    await page.getByRole('button', { name: 'Change' }).click();
    await dialog.getByRole('textbox', { name: 'Labels' }).fill('disk=nvme');
    await dialog.getByRole('button', { name: 'Save' }).click();
    await page.getByText('disk=nvme').waitFor(WAIT);
    await page.getByRole('button', { name: 'Change' }).click();
    await dialog.getByRole('textbox', { name: 'Labels' }).fill('not a label');
    await dialog.getByRole('button', { name: 'Save' }).click();
    await dialog.getByRole('alert').getByText('Refused').waitFor(WAIT);
    await dialog.getByRole('button', { name: 'Cancel' }).click();
    await page.getByRole('button', { name: 'Uncordon' }).click();
    await dialog.getByRole('button', { name: 'Uncordon' }).click();
    await page.getByRole('heading', { name: 'ready' }).waitFor(WAIT);
    expect(await pool().client.waitForEnd(waiting.id)).toMatchObject({ state: 'succeeded' });
    await expectWhole(visited);
  });
});
