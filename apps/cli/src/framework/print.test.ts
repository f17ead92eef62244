import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { FAILED, NOW, RUNNING } from '../testing/builds.ts';
import { withFakeApi } from '../testing/with-fake-api.ts';

const cli = withFakeApi({ now: () => NOW });

describe('-o', () => {
  it('json and yaml print the same document as --json', async () => {
    cli.api.builds = [RUNNING, FAILED];
    const { out } = await cli.run('builds ls -a --json');
    expect(JSON.parse(out)).toMatchObject({ builds: [{ id: RUNNING.id }, { id: FAILED.id }] });
    expect((await cli.run('builds ls -a -o json')).out).toBe(out);
    expect(parse((await cli.run('builds ls -a -o yaml')).out)).toEqual(JSON.parse(out));
    expect((await cli.run('ps -a --output=json')).out).toBe(out);
  });

  it('name prints only ids, one in each line', async () => {
    cli.api.builds = [RUNNING, FAILED];
    expect((await cli.run('ps -a -o name')).out).toBe(`${RUNNING.id}\n${FAILED.id}\n`);
    expect((await cli.run(`builds show -o name ${RUNNING.id}`)).out).toBe(`${RUNNING.id}\n`);
  });

  it('name prints nothing on standard output if there is nothing', async () => {
    expect(await cli.run('ps -o name')).toEqual({
      code: 0,
      out: '',
      err: 'kiln: no unfinished builds; kiln ps -a shows all\n',
    });
  });

  it('wide shows all columns and whole ids, however narrow the terminal', async () => {
    cli.api.builds = [RUNNING];
    const terminal = { columns: 40, rows: 24 };
    const narrow = (await cli.run('ps', { terminal })).out;
    const wide = (await cli.run('ps -o wide', { terminal })).out;
    expect(narrow).not.toContain(RUNNING.id);
    expect(Math.max(...narrow.split('\n').map((line) => line.length))).toBeLessThanOrEqual(40);
    expect(wide).toContain(RUNNING.id);
    expect(wide).toMatch(/^BUILD +STATE +REPO +TEAM +HOST +AGE +TOOK\n/);
  });

  it('refuses another format', async () => {
    expect(await cli.run('ps -o table')).toEqual({
      code: 125,
      out: '',
      err: 'kiln: --output: got "table", expected json, yaml, wide, name\n',
    });
  });
});

describe('kiln builds show', () => {
  it('describes a build', async () => {
    cli.api.builds = [FAILED];
    expect((await cli.run(`builds show ${FAILED.id}`)).out).toBe(
      `id       ${FAILED.id}\n` +
        'state    failed\n' +
        'repo     app\n' +
        'team     default\n' +
        'created  2026-01-02T03:04:05.000Z (10m ago)\n' +
        'took     1m01s\n',
    );
  });
});
