import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { runCli } from './cli.ts';
import { FakeApi, fakeBuild } from './testing/fake-api.ts';
import { fakeIo } from './testing/fake-io.ts';

/** Control sequences that set the clipboard, the title and the screen, in 7-bit and 8-bit form. */
const ORDERS = '\u001b]52;c;c2g=\u0007\u001b]0;owned\u001b\\\u001b[2J\u001b[1A\u009b2J\u009d52;c;c2g=\u009c\u0008';
const RED = '\u001b[31mred\u001b[0m';
const SCREEN = { columns: 200, rows: 40 };

let api: FakeApi;
beforeEach(async () => {
  api = await FakeApi.start();
});
afterEach(() => api[Symbol.asyncDispose]());

async function run(args: string[], terminal?: { columns: number; rows: number }) {
  const at = fakeIo({ env: { KILN_URL: api.url, KILN_TOKEN: api.token }, ...(terminal && { terminal }) });
  await runCli(args, at);
  return Buffer.from(at.stdout.text + at.stderr.text, 'latin1').toString();
}

/** Expects no string sequence, no 8-bit control and no cursor movement other than that of the live region. */
function expectTame(text: string) {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: none of these may be there
  expect(text).not.toMatch(/\u001b[\]PX^_c]|[\u0000-\u0008\u000b\u000c\u000e-\u001a\u007f-\u009f]|\u001b\[2J/);
  expect(text).not.toMatch(/owned|c2g=/);
}

describe('untrusted text can’t control the terminal', () => {
  const build = fakeBuild({ state: 'failed', repo: `app${ORDERS}`, host: `h${ORDERS}1` });

  const failure = { code: 'step_failed', message: `exit${ORDERS}`, excerpt: ` 1 | >>> RUN x${ORDERS}` } as const;

  function logOf() {
    logSteps();
    api.log({ t: 4, type: 'end', state: 'failed', failure });
    api.build = { ...build, failure };
    api.builds = [api.build];
  }

  function logSteps() {
    api.log({ t: 0, type: 'step', step: 1, name: `[1/1] RUN x${ORDERS}`, state: 'started' });
    for (const piece of [`a${RED}`, ...ORDERS, ...ORDERS, '\n'])
      api.log({ t: 1, type: 'output', step: 1, stream: 'stdout', data: piece });
    api.log({ t: 2, type: 'warning', message: `careful${ORDERS}`, detail: `so${ORDERS}` });
    api.log({ t: 3, type: 'step', step: 1, name: `[1/1] RUN x${ORDERS}`, state: 'failed', error: `bad${ORDERS}` });
  }

  it.each([
    ['on a terminal', SCREEN],
    ['into a pipe', undefined],
  ])('in kiln logs %s', async (_where, terminal) => {
    logOf();
    const text = await run(['logs', build.id], terminal);
    expectTame(text);
    expect(text).toContain(`a${RED}`);
    for (const words of ['RUN x', 'careful', 'so', 'bad', 'exit']) expect(text).toContain(words);
  });

  it('in kiln logs --json on a terminal; a pipe gets it unchanged', async () => {
    logOf();
    expectTame((await run(['logs', '--json', build.id], SCREEN)).replaceAll(/\\u00[0-9a-f]{2}|owned|c2g=/g, ''));
    const lines = (await run(['logs', '--json', build.id])).trim().split('\n');
    expect(
      lines
        .map((line) => JSON.parse(line) as { data?: string })
        .map(({ data }) => data ?? '')
        .join(''),
    ).toBe(`a${RED}${ORDERS}${ORDERS}\n`);
  });

  it.each([
    ['on a terminal', SCREEN],
    ['into a pipe', undefined],
  ])('in kiln ps and errors %s', async (_where, terminal) => {
    logOf();
    const list = await run(['ps', '-a'], terminal);
    expectTame(list);
    expect(list).toContain('app');
    api.refusals.set(`GET /v1/builds/${build.id}`, [
      { status: 404, code: 'build_not_found', detail: `no such build${ORDERS}` },
    ]);
    const error = await run(['logs', build.id], terminal);
    expectTame(error);
    expect(error).toContain('no such build');
  });

  it.each(['plain', 'tty'])('in kiln build --progress=%s', async (progress) => {
    api.onSubmit = () => {
      logSteps();
      api.end('failed', failure);
    };
    const terminal = await run(['build', '--progress', progress, 'https://git.example/app.git'], SCREEN);
    expectTame(terminal);
    for (const words of [RED, 'careful', 'exit']) expect(terminal).toContain(words);
  });
});
