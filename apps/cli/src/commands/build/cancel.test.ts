import { beforeEach, describe, expect, it } from 'vitest';
import { FAILED, NOW, RUNNING } from '../../testing/builds.ts';
import { withFakeApi } from '../../testing/with-fake-api.ts';

const cli = withFakeApi({ now: () => NOW });
beforeEach(() => {
  cli.api.builds = [FAILED, RUNNING];
});

describe('kiln cancel', () => {
  it('waits until the host confirms, and accepts a build that has already ended', async () => {
    cli.api.build = RUNNING;
    cli.api.onCancel = () => {
      setImmediate(() => cli.api.end('canceled'));
      return { status: 202 };
    };
    expect(await cli.run('cancel aaaa')).toMatchObject({ code: 0, out: `${RUNNING.id} canceled\n` });
    cli.api.build = FAILED;
    expect(await cli.run('cancel bbbb')).toMatchObject({ code: 0, out: `${FAILED.id} already failed\n` });
  });

  it('says if the build was superseded, or continues for builds that share its run', async () => {
    cli.api.build = { ...RUNNING, supersededBy: FAILED.id };
    expect((await cli.run('cancel aaaa')).out).toBe(`${RUNNING.id} superseded by ${FAILED.id}\n`);
    cli.api.build = RUNNING;
    cli.api.onCancel = () => {
      cli.api.build = { ...RUNNING, releasedAt: '2026-01-02T03:14:05.000Z' };
      return { status: 200 };
    };
    expect(await cli.run('cancel aaaa')).toMatchObject({
      code: 0,
      out: `${RUNNING.id} continues for other builds that share its run; canceled when they are\n`,
    });
  });

  it('cancels the other builds if one can’t be found', async () => {
    cli.api.build = RUNNING;
    expect(await cli.run('cancel zzzz aaaa')).toMatchObject({
      code: 125,
      out: `${RUNNING.id} canceled\n`,
      err: expect.stringContaining('kiln: zzzz: none of'),
    });
  });
});
