import { describe, expect, it } from 'vitest';
import { fakeBuild } from '../../testing/fake-api.ts';
import { fakeHost } from '../../testing/fake-host.ts';
import { PseudoTerminal } from '../../testing/pseudo-terminal.ts';
import { withFakeApi } from '../../testing/with-fake-api.ts';

const NOW = Date.parse('2026-01-02T03:14:05.000Z');
const cli = withFakeApi({ now: () => NOW });
const PATIENT = { timeout: 60_000, interval: 50 };

/** Two hosts, one of which is full, a build that runs there, and `queued` builds that wait for it. */
function fillPool(queued: number): void {
  const load = { average: 5.5, cpus: 4 };
  const disk = { totalBytes: 500e9, freeBytes: 120e9 };
  const running = fakeBuild({
    ...{ id: '01kaqz6w5h0000000000aaaaaa', state: 'running', host: 'build-01', repo: 'github.com/acme/app' },
    startedAt: '2026-01-02T03:13:02.000Z',
  });
  cli.api.hosts = [
    fakeHost({ name: 'build-01', slots: 2, usedSlots: 2, load, disk }),
    fakeHost({ name: 'build-02', state: 'cordoned', slots: 4 }),
  ];
  const waits = Array.from({ length: queued }, (_, i) =>
    fakeBuild({
      id: `01kaqz6w5h000000000${String(i).padStart(7, '0')}`,
      repo: 'github.com/acme/web',
      queuedAt: '2026-01-02T03:14:00.000Z',
      waiting: {
        reason: 'all_full',
        decidedAt: '2026-01-02T03:14:00.000Z',
        startAt: new Date(NOW + (queued - i) * 40_000).toISOString(),
        ahead: i,
      },
    }),
  );
  cli.api.builds = [...waits, running];
}

describe('kiln top', () => {
  it('prints hosts, running builds and the queue in its expected order once where there is no terminal', async () => {
    fillPool(2);
    const { code, out } = await cli.run('top');
    expect(code).toBe(0);
    expect(out.replace(/ +/g, ' ').split('\n').slice(1)).toEqual([
      '1 host ready (1 not) · 2/2 slots · 1 running · 2 queued, the oldest since 03:14:00Z',
      '',
      'HOST STATE SLOTS LOAD FREE DISK WARM SEEN',
      'build-01 ready ######## 2/2 5.5/4 120GB/500GB - 0s',
      'build-02 cordoned -------- 0/4 - - - 0s',
      '',
      'RUNNING HOST TIME REPO TEAM',
      '00aaaaaa build-01 1m03s github.com/acme/app default',
      '',
      'QUEUED STARTS WAITED REPO TEAM WHY',
      '00000001 in 40s 5s github.com/acme/web default every host that fits is full',
      '00000000 in 1m20s 5s github.com/acme/web default every host that fits is full',
      '',
    ]);
    expect((await cli.run('top -n 1', { terminal: { columns: 120, rows: 30 } })).out).not.toContain('\u001b');
  });

  it('says which lists are empty', async () => {
    const { out } = await cli.run('top -n 1');
    expect(out).toContain('0 hosts ready · 0/0 slots · 0 running · 0 queued\n');
    for (const none of ['no host has joined the pool', 'no builds run', 'no builds wait']) expect(out).toContain(none);
  });

  it.each([
    ['top -n 0', '--iterations: got "0", expected a whole number from 1'],
    ['top -i 0', '--interval: got "0", expected a whole number from 1'],
  ])('refuses kiln %s', async (line, words) => {
    expect(await cli.run(line)).toMatchObject({ code: 125, err: expect.stringContaining(words) });
  });

  it('fits a window of 60 columns, follows the pool and the window’s size, and restores the terminal at Ctrl-C', async () => {
    fillPool(40);
    const env = { KILN_URL: cli.api.url, KILN_TOKEN: cli.api.token, NO_COLOR: '1' };
    await using terminal = await PseudoTerminal.kiln('top -i 1', { columns: 60, rows: 20, env });
    await expect.poll(() => terminal.text(), PATIENT).toContain('40 queued');
    const narrow = await terminal.lines();
    expect(narrow.length).toBeLessThanOrEqual(20);
    expect(narrow.join('\n')).toMatch(/build-01 +ready +#+ 2\/2/);
    expect(narrow.join('\n')).toMatch(/… and \d+ more$/);
    // Every row has a line of its own: none is wrapped.
    expect(narrow.filter((line) => line.startsWith('build-0'))).toHaveLength(2);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: a colour
    expect(terminal.raw).not.toMatch(/\u001b\[[0-9;]*m/);

    cli.api.builds = [];
    await expect.poll(() => terminal.text(), PATIENT).toContain('no builds wait');
    expect(await terminal.text()).not.toContain('more');
    fillPool(40);
    await expect.poll(() => terminal.text(), PATIENT).toContain('40 queued');

    await terminal.resize(110, 50);
    await expect.poll(async () => (await terminal.lines()).length, PATIENT).toBeGreaterThan(30);
    expect(await terminal.text()).toContain('every host that fits is full');

    terminal.type('\u0003');
    await expect.poll(() => terminal.text(), PATIENT).toContain('status=0');
    // The alternate screen is left, and the cursor is shown again.
    expect(terminal.raw).toContain('\u001b[?25h\u001b[?1049l');
    expect(await terminal.text()).toContain('device=');
    expect(await terminal.text()).not.toContain('kiln top');
    await terminal.ended;
  });

  it('keeps showing the pool while the server doesn’t respond, says so, and goes on by itself', async () => {
    fillPool(1);
    const env = { KILN_URL: cli.api.url, KILN_TOKEN: cli.api.token };
    await using terminal = await PseudoTerminal.kiln('top -i 1', { columns: 100, rows: 30, env });
    await expect.poll(() => terminal.text(), PATIENT).toContain('1 queued');
    const refusal = { status: 503, code: 'unavailable', detail: 'Redis does not respond' } as const;
    cli.api.refusals.set('GET /v1/hosts', [refusal, refusal, refusal]);
    await expect.poll(() => terminal.text(), PATIENT).toContain('Redis does not respond [unavailable]; trying again');
    expect(await terminal.text()).toContain('build-01');
    await expect.poll(() => terminal.text(), PATIENT).not.toContain('trying again');
    terminal.type('q');
    await expect.poll(() => terminal.text(), PATIENT).toContain('status=0');
  });
});
