import { beforeEach, describe, expect, it } from 'vitest';
import { FAILED, NOW, RUNNING } from '../../testing/builds.ts';
import { fakeBuild } from '../../testing/fake-api.ts';
import { withFakeApi } from '../../testing/with-fake-api.ts';

const cli = withFakeApi({ now: () => NOW });
beforeEach(() => {
  cli.api.builds = [FAILED, RUNNING];
});

describe('kiln ps', () => {
  it('lists unfinished builds, with full ids in a pipe', async () => {
    expect((await cli.run('ps')).out).toBe(
      'BUILD                       STATE    REPO                 TEAM     HOST    AGE   TOOK\n' +
        '01kaqz6w5h0000000000aaaaaa  running  github.com/acme/app  default  host-a  10m  1m00s\n',
    );
  });

  it('shows who asked for builds, what they build, and why they wait', async () => {
    const { request } = RUNNING;
    cli.api.builds = [
      {
        ...{ ...RUNNING, commit: 'abcdef0123456789abcdef0123456789abcdef01' },
        createdBy: { kind: 'webhook', id: 'connection:github', name: 'github' },
        request: { ...request, tags: ['r/app:1', 'r/app:latest'] },
      },
      fakeBuild({
        createdBy: { kind: 'person', id: 'p1', name: 'Ada' },
        waiting: { reason: 'waits_for_warm', host: 'a', decidedAt: '2026-01-02T03:13:10.000Z' },
      }),
      fakeBuild({
        id: '01kaqz6w5h0000000000cccccc',
        waiting: { reason: 'team_limit', limit: 2, decidedAt: '2026-01-02T03:13:10.000Z' },
      }),
    ];
    const { out } = await cli.run('ps -a');
    const cells = out
      .trimEnd()
      .split('\n')
      .map((line) => line.split(/ {2,}/).slice(7));
    expect(cells).toEqual([
      ['BY', 'COMMIT', 'TAG', 'WAITING'],
      ['webhook github', 'abcdef01', 'r/app:1 (+1)'],
      ['Ada', 'for a, which has its cache: better than a cold start on a free host'],
      ['its team has reached its limit of running builds (2)'],
    ]);
  });

  it('lists all builds with -a and fits a narrow terminal', async () => {
    expect((await cli.run('ps -a', { terminal: { columns: 40, rows: 24 } })).out).toBe(
      'BUILD     STATE    REPO              AGE\n' +
        '00bbbbbb  failed   app               10m\n' +
        '00aaaaaa  running  github.com/acme/… 10m\n'.replace('… 10m', '…  10m').replace('acme/…', 'acme…'),
    );
  });

  it('shows which builds are superseded, canceling or sharing a run', async () => {
    const superseded = { state: 'canceled', supersededBy: RUNNING.id } as const;
    cli.api.builds = [
      { ...FAILED, ...superseded },
      fakeBuild({ sharedRun: RUNNING.id }),
      { ...RUNNING, supersededBy: FAILED.id, cancelRequestedAt: '2026-01-02T03:13:10.000Z' },
    ];
    const states = (await cli.run('ps -a')).out.split('\n').map((line) => line.split(/\s+/)[1]);
    expect(states.slice(1, 4)).toEqual(['superseded', 'sharing', 'canceling']);
  });

  it('shows digest and size of images', async () => {
    const digest = 'sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef';
    cli.api.builds = [fakeBuild({ result: { digest, imageBytes: 12_300_000 } }), FAILED];
    const cells = (await cli.run('ps -a')).out.split('\n').map((line) => line.split(/ {2,}/).slice(7));
    expect(cells.slice(0, 3)).toEqual([['DIGEST', 'SIZE'], ['sha256:0123456789ab', '12.30MB'], []]);
    expect(JSON.parse((await cli.run('ps -a --json')).out).builds[0].result).toEqual({
      digest,
      imageBytes: 12_300_000,
    });
  });

  it('prints one JSON document with --json', async () => {
    expect(JSON.parse((await cli.run('ps --json')).out).builds).toHaveLength(1);
    expect(JSON.parse((await cli.run('ps --json --state failed')).out).builds[0].id).toBe(FAILED.id);
  });

  it.each([
    ['ps --state done', '--state: got "done", expected queued, assigned'],
    ['ps --limit 0', '--limit: got "0", expected a whole number from 1 to 200'],
    ['ps extra', 'got 1 argument, expected none; usage: kiln ps [FLAGS]'],
  ])('refuses %s', async (line, message) => {
    expect(await cli.run(line)).toMatchObject({ code: 125, err: expect.stringContaining(message) });
  });
});

describe('resolveId', () => {
  it('accepts the beginning or the end of a recent build’s id', async () => {
    expect((await cli.run('why AAAA')).err).toBe('kiln: no placement decision yet\n');
    expect((await cli.run('why 01kaqz6w')).err).toContain(`matches 2 builds:\n  ${FAILED.id}  failed  app\n`);
    expect((await cli.run('why zzzz')).err).toContain('none of the last 200 builds');
    expect((await cli.run('why aaa')).err).toBe('kiln: a shortened build id needs at least 4 characters, got "aaa"\n');
    expect((await cli.run('cancel zzz')).err).toBe(
      'kiln: zzz: a shortened build id needs at least 4 characters, got "zzz"\n',
    );
    expect((await cli.run('why ../x')).err).toContain('"../x" is not a build id');
  });
});
