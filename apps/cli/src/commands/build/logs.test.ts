import type { LogRecord } from '@kiln/contracts';
import { beforeEach, describe, expect, it } from 'vitest';
import { runCli } from '../../cli.ts';
import { FAILED, NOW, RUNNING } from '../../testing/builds.ts';
import { fakeBuild } from '../../testing/fake-api.ts';
import { withFakeApi } from '../../testing/with-fake-api.ts';

const cli = withFakeApi({ now: () => NOW });
beforeEach(() => {
  cli.api.builds = [FAILED, RUNNING];
});

describe('kiln logs', () => {
  const step = (state: 'started' | 'completed'): LogRecord => ({
    t: 1,
    type: 'step',
    step: 1,
    name: 'RUN x',
    state,
    ms: 5,
  });

  it('prints the log so far, or follows it to the end', async () => {
    cli.api.build = RUNNING;
    cli.api.builds = [];
    cli.api.log(step('started'));
    expect(await cli.run(`logs ${RUNNING.id}`)).toMatchObject({ code: 0, out: '#1 RUN x\n' });
    const following = cli.run(`logs -f ${RUNNING.id}`);
    cli.api.log(step('completed'));
    cli.api.end('failed');
    expect(await following).toMatchObject({
      code: 0,
      out: expect.stringMatching(/^#1 RUN x\n#1 DONE 0\.0s\n+kiln: failed\n$/),
    });
  });

  it('prints records as JSON lines with --json', async () => {
    cli.api.build = RUNNING;
    cli.api.log(step('started'));
    const { out } = await cli.run(`logs --json ${RUNNING.id}`);
    expect(
      out
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line)),
    ).toEqual([{ ...step('started'), id: '1.1' }]);
  });

  it('says on a terminal why the build waits and which host it got, on standard error', async () => {
    const decidedAt = '2026-01-02T03:04:05.000Z';
    const at = { ...cli.io({ terminal: { columns: 140, rows: 30 } }), now: () => Date.parse(decidedAt) };
    cli.api.build = { ...cli.api.build, waiting: { reason: 'all_full', decidedAt, ahead: 0 } };
    cli.api.placement = [{ attempt: 1, host: null, reason: 'all_full', decidedAt, considered: [] }];
    const running = runCli(['logs', '-f', cli.api.build.id], at);
    await at.said('kiln: waiting: 1st in the queue: every host that fits is full\n');
    cli.api.placement.push({ attempt: 1, host: 'build-01', reason: 'warm', decidedAt, considered: [] });
    cli.api.log(step('started'));
    await at.said('kiln: runs on build-01, which has its cache\n');
    cli.api.end('succeeded');
    expect(await running).toBe(0);
    expect(at.stdout.text).not.toContain('waiting');
  });

  it('stops following at Ctrl-C without canceling the build', async () => {
    cli.api.build = RUNNING;
    const at = cli.io();
    const shown = Promise.withResolvers<void>();
    at.stdout.onWrite = () => shown.resolve();
    const following = runCli(['logs', '-f', RUNNING.id], at);
    cli.api.log(step('started'));
    await shown.promise;
    at.interrupt();
    expect(await following).toBe(130);
    expect(cli.api.seen.some(({ path }) => path.endsWith('/cancel'))).toBe(false);
  });
});

describe('kiln retry', () => {
  it('prints the new build’s id, or follows it with -f', async () => {
    cli.api.build = fakeBuild({ state: 'queued' });
    expect(await cli.run('retry bbbb')).toMatchObject({ code: 0, out: `${cli.api.build.id}\n` });
    cli.api.end('failed', { code: 'build_failed', message: 'no good' });
    expect(await cli.run('retry -f bbbb')).toMatchObject({
      code: 1,
      err: expect.stringContaining('no good [build_failed]'),
    });
  });
});
