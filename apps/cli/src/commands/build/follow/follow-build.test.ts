import { describe, expect, it } from 'vitest';
import { runCli } from '../../../cli.ts';
import { step, withBuild } from '../../../testing/with-build.ts';

const cli = withBuild();

describe('Ctrl-C', () => {
  it('cancels the build and waits until the host has confirmed', async () => {
    const at = cli.io();
    cli.api.onSubmit = () => cli.api.log(step({}));
    cli.api.onCancel = () => ({ status: 202 });
    const running = runCli(['build'], at);
    await at.said('RUN make');
    at.interrupt();
    await at.said('canceling the build');
    cli.api.log(step({ state: 'canceled' }));
    cli.api.end('canceled', { code: 'canceled', message: 'canceled' });
    expect(await running).toBe(130);
    expect(at.stderr.text).toMatch(new RegExp(`kiln: canceled\\nbuild ${cli.api.build.id} canceled\\n$`));
    expect(cli.api.seen.filter(({ path }) => path.endsWith('/cancel'))).toHaveLength(1);
  });

  it('exits immediately the second time', async () => {
    const at = cli.io();
    cli.api.onSubmit = () => cli.api.log(step({}));
    cli.api.onCancel = () => ({ status: 202 });
    const running = runCli(['build'], at);
    await at.said('RUN make');
    at.interrupt();
    at.interrupt();
    expect(at.exits).toEqual([130]);
    cli.api.end('canceled');
    await running;
  });

  it('has no effect on a build that has succeeded', async () => {
    const at = cli.io();
    cli.api.onSubmit = () => cli.api.log(step({}));
    cli.api.onCancel = () => {
      cli.api.end('succeeded');
      return { status: 202 };
    };
    const running = runCli(['build'], at);
    await at.said('RUN make');
    at.interrupt();
    expect(await running).toBe(0);
  });
});

describe('kiln build with other builds', () => {
  const NEWER = '01kaqz6w5h0000000000newer0';

  it('names the build that supersedes it, and has an exit code for that', async () => {
    cli.api.onSubmit = () => {
      cli.api.build = { ...cli.api.build, supersededBy: NEWER };
      cli.api.end('canceled', { code: 'superseded', message: `superseded by build ${NEWER}` });
    };
    const at = cli.io();
    expect(await runCli(['build', '--concurrency-key', 'main', '--supersede', 'running'], at)).toBe(3);
    expect((await cli.submitted()).request).toMatchObject({ concurrencyKey: 'main', supersede: 'running' });
    expect(at.stderr.text).toContain(`build ${cli.api.build.id} canceled: superseded by build ${NEWER} [superseded]\n`);
  });

  it('names the build whose run it shares', async () => {
    cli.api.build = { ...cli.api.build, sharedRun: NEWER };
    cli.api.onSubmit = () => cli.succeed();
    const at = cli.io();
    expect(await runCli(['build', '--dedupe'], at)).toBe(0);
    expect((await cli.submitted()).request).toMatchObject({ dedupe: true });
    expect(at.stderr.text).toContain(`kiln: build ${cli.api.build.id}, which shares the run of build ${NEWER}\n`);
  });

  it('exits at Ctrl-C without waiting if the build continues for others that share its run', async () => {
    const at = cli.io();
    cli.api.onSubmit = () => cli.api.log(step({}));
    cli.api.onCancel = () => {
      cli.api.build = { ...cli.api.build, state: 'running', releasedAt: '2026-01-02T03:04:05.000Z' };
      return { status: 200 };
    };
    const running = runCli(['build', '--dedupe'], at);
    await at.said('RUN make');
    at.interrupt();
    expect(await running).toBe(130);
    expect(at.stderr.text).toContain(`build ${cli.api.build.id} continues for other builds that share its run\n`);
    expect(cli.api.build.finishedAt).toBeUndefined();
  });

  it('fails if someone else canceled the build', async () => {
    cli.api.onSubmit = () => cli.api.end('canceled', { code: 'canceled', message: 'canceled while queued' });
    expect(await runCli(['build'], cli.io())).toBe(1);
  });
});
