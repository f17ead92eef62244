import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { removeImages, startPrivateRegistry } from '@kiln/buildkit/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ComposeProject, engineAddress, imageMegabytes } from '../support/compose.ts';
import { hanging, quick } from '../support/dockerfiles.ts';
import { containersOf } from '../support/engine.ts';
import { expectWhole } from '../support/logs.ts';
import type { ManagedProcess } from '../support/process.ts';
import { killProcessesWith, processesWith, uniqueSeconds } from '../support/processes.ts';

const KILN_UID = 10001;
/** Most steps start containers, which takes a multiple of the time on a busy machine. */
const POLL = { timeout: 120_000, interval: 50 };
const STORY_TIMEOUT_MS = 600_000;

let pool: ComposeProject;
let address: string;

beforeAll(async () => {
  address = await engineAddress();
  pool = await ComposeProject.pool({ KILN_BIND: address, KILN_HOST_NAME: 'first', KILN_SLOTS: '1' });
  await pool.compose('up', '--detach', '--wait', '--no-build');
}, STORY_TIMEOUT_MS);
afterAll(() => pool?.[Symbol.asyncDispose](), STORY_TIMEOUT_MS);

/** Runs `kiln build` of a Dockerfile that hangs, and waits until it does. */
async function hang(seconds: string): Promise<{ command: ManagedProcess; id: string }> {
  const command = await pool.kiln(['build', '--progress', 'plain', '.'], { Dockerfile: hanging(seconds) });
  const isHanging = async () => {
    if (!command.running) return `kiln build ended: ${command.lines.join('\n')}`;
    return command.lines.some((line) => /\bbegun$/.test(line)) && (await processesWith(seconds)).length > 0;
  };
  await expect.poll(isHanging, POLL).not.toBe(false);
  expect(await isHanging()).toBe(true);
  const client = await pool.client();
  const { builds } = await client.list({ state: 'running' });
  return { command, id: builds[0]?.id ?? '' };
}

describe('the pool of infra/compose.yaml', { timeout: STORY_TIMEOUT_MS }, () => {
  test('builds what the command’s image sends, and runs nothing as root', async () => {
    const text = uniqueSeconds();
    const args = ['build', '--progress', 'plain', '.'];
    const command = await pool.kiln(args, { Dockerfile: quick(text) }, 'https://git.example.org/team/app.git');
    expect(await command.exited, command.lines.join('\n')).toMatchObject({ code: 0 });
    const { builds } = await (await pool.client()).list({});
    expect(builds).toMatchObject([{ state: 'succeeded', repo: expect.stringContaining('git.example.org/team/app') }]);
    expect(command.lines.join('\n')).toContain(`echo ${text}`);
    for (const service of ['api', 'scheduler', 'worker']) {
      expect(await pool.inspect(service, '{{.Config.User}} {{.State.Health.Status}}')).toBe('10001:10001 healthy');
    }
    // The worker was able to delete what buildx left, although that runs in a container of its own.
    const data = await pool.setting('KILN_DATA_DIR');
    expect(await readdir(join(data, 'scratch', 'runs'))).toEqual([]);
    expect((await stat(join(data, 'scratch', 'buildx', 'instances'))).uid).toBe(KILN_UID);
  });

  test('the command’s image is small, and builds and pushes in a CI job as any user, with the docker logins that are mounted', async () => {
    const image = await pool.image('cli');
    expect(await imageMegabytes(image)).toBeLessThan(120);
    await using registry = await startPrivateRegistry();
    const { host, username, password } = registry;
    const auths = { [host]: { auth: Buffer.from(`${username}:${password}`).toString('base64') } };
    const args = ['build', '--progress', 'plain', '-t', `${host}/app:1`, '--push', '.'];
    await using stack = new AsyncDisposableStack();
    stack.defer(() => removeImages([`${host}/app:1`]));
    const files = { Dockerfile: `FROM scratch\nCOPY Dockerfile /${uniqueSeconds()}\n` };
    const job = await pool.ciJob(args, files, { auths });
    expect(await job.exited, job.lines.join('\n')).toMatchObject({ code: 0 });
    expect(await registry.tags('app')).toEqual(['1']);
  });

  test('a worker that is stopped finishes its build, while other builds go to a further machine that joined with only a worker', async () => {
    const client = await pool.client();
    const seconds = uniqueSeconds();
    const { command, id } = await hang(seconds);
    const stopped = pool.compose('stop', 'worker');
    await using further = await pool.furtherMachine(address, { KILN_HOST_NAME: 'further' });
    const firstState = async () => (await client.hosts()).find(({ name }) => name === 'first')?.state;
    await Promise.all([
      expect.poll(firstState, POLL).toBe('draining'),
      further.compose('up', '--detach', '--wait', '--no-build'),
    ]);
    expect((await further.compose('ps', '--services')).trim()).toBe('worker');
    const other = await pool.kiln(['build', '--progress', 'plain', '.'], { Dockerfile: quick(uniqueSeconds()) });
    expect(await other.exited, other.lines.join('\n')).toMatchObject({ code: 0 });
    const { builds } = await client.list({});
    expect(builds[0]).toMatchObject({ state: 'succeeded', host: 'further' });

    expect(await client.get(id)).toMatchObject({ state: 'running', host: 'first' });
    await killProcessesWith(seconds);
    expect(await command.exited).toMatchObject({ code: 0 });
    await stopped;
    expect(await pool.inspect('worker', '{{.State.ExitCode}}')).toBe('0');
    expect(await client.get(id)).toMatchObject({ state: 'succeeded', attempts: [{ host: 'first' }] });
    await pool.compose('up', '--detach', '--wait', '--no-build', 'worker');
  });

  test('loses no build when Redis is killed', async () => {
    const client = await pool.client();
    const before = (await client.list({})).builds.map(({ id }) => id);
    const seconds = uniqueSeconds();
    const running = await hang(seconds);
    const queued = await pool.kiln(['build', '--progress', 'plain', '.'], { Dockerfile: quick(uniqueSeconds()) });
    const queuedBuild = async () => (await client.list({ state: 'queued' })).builds[0]?.id;
    await expect.poll(queuedBuild, POLL).toBeDefined();
    const queuedId = await queuedBuild();
    await pool.compose('kill', '--signal', 'KILL', 'redis');
    await pool.compose('up', '--detach', '--wait', '--no-build', 'redis');
    // If the restart takes longer than the host's lease, there is a second attempt.
    const ended = Promise.all([running.command.exited, queued.exited]);
    const isRunning = async () => {
      await killProcessesWith(seconds);
      return running.command.running || queued.running;
    };
    await expect.poll(isRunning, POLL).toBe(false);
    expect(await ended).toMatchObject([{ code: 0 }, { code: 0 }]);
    const { builds } = await client.list({});
    expect(builds.map(({ id }) => id)).toEqual([queuedId, running.id, ...before]);
    const { attempts } = await client.get(running.id);
    expectWhole(await Array.fromAsync(client.followLog(running.id, { follow: false })), attempts.length);
  });

  test('passes the Redis password on no command line', async () => {
    const password = await pool.setting('KILN_REDIS_PASSWORD');
    expect(password).toMatch(/^[0-9a-f]{64}$/);
    expect(await pool.compose('top', 'redis')).not.toContain(password);
  });

  test('scheduler and worker report that they are not ready while Redis hangs, and are ready again afterwards', async () => {
    const ready = async (service: string, port = 7701) => {
      const check = ['exec', '-T', service, 'node', '/kiln/check-health.mjs', `http://127.0.0.1:${port}/readyz`];
      return await pool.compose(...check).then(
        () => true,
        () => false,
      );
    };
    const all = async () => await Promise.all([ready('scheduler'), ready('worker')]);
    expect(await all()).toEqual([true, true]);
    await pool.compose('pause', 'redis');
    await expect.poll(all, POLL).toEqual([false, false]);
    await pool.compose('unpause', 'redis');
    await expect.poll(all, POLL).toEqual([true, true]);
  });

  test('leaves no tool container behind when it is taken down', async () => {
    await pool.compose('down', '--timeout', '20');
    const machine = await readFile(join(await pool.setting('KILN_DATA_DIR'), 'machine-id'), 'utf8');
    expect(await containersOf(machine.slice(0, 8))).toEqual([]);
  });
});
