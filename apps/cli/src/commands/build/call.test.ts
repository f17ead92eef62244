import { describe, expect, it } from 'vitest';
import { withBuild } from '../../testing/with-build.ts';
import { planCall } from './request/call-flag.ts';

const cli = withBuild();

const NO_FLAGS = { call: undefined, check: undefined, print: undefined };

describe('kiln build --call', () => {
  const WARNED = 'Check complete, 2 warnings have been found!\n\nWARNING: JSONArgsRecommended\n';

  it.each([
    ['--check', 'Check complete, no warnings found.\n', 0],
    ['--check', WARNED, 1],
    ['--call=check', WARNED, 1],
    ['--call=check,ignorestatus=true', WARNED, 0],
    ['--call=check,format=json', '{"warnings":[{}]}', 1],
    ['--call=check,format=json', '{"sources":[]}', 0],
    ['--call=outline', WARNED, 0],
    ['--print=targets', 'TARGET\n', 0],
  ])('%s prints what the host answers, here %j, and exits with %i', async (flags, printed, code) => {
    cli.api.artifact = Buffer.from(printed);
    cli.api.onSubmit = () => cli.succeed({ artifact: undefined });
    const ended = await cli.run(`build -q ${flags} -o out -t app:1 .`);
    expect(ended).toMatchObject({ code, out: printed });
    const { request } = await cli.submitted();
    expect(request).toMatchObject({
      output: { type: 'none' },
      call: { method: expect.stringMatching(/check|outline|targets/) },
    });
  });

  it('cannot be combined with --detach or --json', async () => {
    for (const flag of ['--detach', '--json'])
      expect(await cli.run(`build --check ${flag}`)).toMatchObject({
        code: 125,
        err: expect.stringContaining(`${flag} cannot be combined with --call`),
      });
  });

  it('is a build by default', () => {
    expect(planCall(NO_FLAGS)).toBeUndefined();
    expect(planCall({ ...NO_FLAGS, call: 'build' })).toBeUndefined();
  });

  it.each([
    [{ call: 'run' }, '--call run: got "run", expected build, check, outline, targets'],
    [{ print: 'outline,format=xml' }, '--print outline,format=xml: got "format=xml"'],
    [{ call: 'format=json' }, '--call format=json: expected build'],
    [{ check: true, call: 'outline' }, '--check cannot be combined with --call outline'],
  ])('refuses %j', (flags, message) => {
    expect(() => planCall({ ...NO_FLAGS, ...flags })).toThrow(message);
  });
});
