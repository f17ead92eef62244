import type { BuildView } from '@kiln/contracts';
import { InventoryStore, UsageStore } from '@kiln/state';
import { beforeAll, expect, it } from 'vitest';
import { runIn } from '../../testing/run.ts';
import { withRealPool } from '../../testing/with-real-pool.ts';

const cli = withRealPool();
const run = (line: string, at = cli.io()) => runIn(at, line);
const A = { host: 'a', incarnation: 'i1' };
const NPM = 'aa//root/.npm';

beforeAll(async () => {
  const { state } = cli.pool;
  await cli.pool.report('a', { tasks: ['drop'] });
  await cli.pool.report('old');
  await cli.pool.report('away', { tasks: ['drop'] });
  await state.redis.del(state.keys.hostLease('away'));
  const mount = { id: NPM, bytes: 2_000_000, lastUsedAt: Date.now(), inUse: false, records: 1 };
  await new InventoryStore(state.redis, state.keys).publish(
    A,
    {
      ...{ sizesAreFloors: false, usedBytes: 1, mounts: [mount], mountsLeftOut: 0, layers: { count: 0, bytes: 0 } },
      repoLayers: [{ repo: 'app', bytes: 1_000_000, lastUsedAt: 1 }],
    },
    1,
  );
  const used = { mounts: [{ id: NPM, bytes: 1 }], layerBytes: 1, sizesAreFloors: false };
  await new UsageStore(state.redis, state.keys).learn(A, 'app', used);
});

/** A terminal at which `answer` is typed. */
function atTerminal(answer: string) {
  async function* typed() {
    if (answer !== '') yield new TextEncoder().encode(answer);
  }
  return { ...cli.io({ terminal: { columns: 100, rows: 24 } }), stdin: Object.assign(typed(), { isTTY: true }) };
}

/** Carries out the next task of host a as its worker would. */
async function carryOut(result: object, note?: string): Promise<void> {
  const { tasks } = cli.pool.state;
  let claimed = await tasks.claim(A, ['drop']);
  while (!claimed) claimed = await tasks.claim(A, ['drop']);
  if (note !== undefined) await tasks.progress(A, claimed.id, { bytes: 0, note });
  await tasks.settle(A, claimed.id, {
    result: { caches: 0, freedBytes: 0, dropped: [], shared: [], inUse: [], ...result },
  });
}

it('kiln cache ls lists caches, and kiln cache du sums them up', async () => {
  const { out } = await run('cache ls');
  expect(out).toMatch(/^HOST +REPO +CACHE +KIND +SIZE/);
  expect(out).toMatch(/a +app +\/root\/\.npm +dependencies +2\.00MB/);
  expect(out).toMatch(/a +app +layers +layers +1\.00MB/);
  expect((await run('cache ls --kind layers app')).out).not.toContain('.npm');
  expect(JSON.parse((await run('cache ls --json --host a')).out)).toMatchObject({ caches: { length: 2 } });
  expect((await run('cache du')).out).toMatch(/app +1 +2\.00MB +- +1\.00MB +- +3\.00MB/);
  expect(await run('cache ls none')).toMatchObject({ code: 0, out: '', err: 'kiln: no caches\n' });
});

it('kiln cache rm waits for connected hosts, prints what each has freed, and names those that are away or too old', async () => {
  const dropped = run('cache rm app --mount /root/.npm');
  await carryOut(
    { caches: 1, freedBytes: 2_000_000, shared: ['pool/npm'] },
    'in use by build 01; dropped when it ends',
  );
  const { code, out, err } = await dropped;
  expect(out).toBe('a: freed 1 cache, 2.00MB\n  kept pool/npm, which other repositories share; --shared drops it\n');
  expect(err).toContain('kiln: away: not connected; its caches are dropped when it is back\n');
  expect(err).toContain('kiln: old: its worker is of a version that can’t drop caches; upgrade it\n');
  expect(code).toBe(0);
});

it('kiln cache prune shows with --dry-run what it would drop, and a failure of a host makes it exit with 1', async () => {
  const pruned = run('cache prune --unused-for 2d --host a --dry-run');
  await carryOut({ caches: 1, freedBytes: 5, dropped: [{ id: NPM, bytes: 5 }] });
  expect(await pruned).toMatchObject({ code: 0, out: `a: would free 1 cache, 5B\n  ${NPM}\n` });
  const failed = run('cache prune --host a');
  const { tasks } = cli.pool.state;
  let claimed = await tasks.claim(A, ['drop']);
  while (!claimed) claimed = await tasks.claim(A, ['drop']);
  expect(claimed.task?.order).toEqual({ type: 'drop', unusedForMs: 30 * 86_400_000 });
  await tasks.settle(A, claimed.id, { failure: { code: 'failed', message: 'BuildKit does not answer' } });
  expect(await failed).toMatchObject({ code: 1, err: 'kiln: a: BuildKit does not answer [failed]\n' });
});

it('kiln cache-mode set sets the mode of builds that name none, kiln cache-mode ls lists it, and default removes it', async () => {
  const url = 'https://git@GitHub.com/acme/app.git';
  expect(await run(`cache-mode set ${url} archive`)).toMatchObject({ code: 0, out: 'github.com/acme/app: archive\n' });
  const submit = async (request: object) => {
    const body = { source: { type: 'git', url: 'https://github.com/acme/app', subdir: 'api' }, ...request };
    const answer = await fetch(`${cli.pool.api.url}/v1/builds`, {
      method: 'POST',
      body: JSON.stringify(body),
      headers: { authorization: `Bearer ${cli.pool.token}`, 'content-type': 'application/json' },
    });
    return ((await answer.json()) as BuildView).request.cache;
  };
  expect(await submit({})).toEqual({ mode: 'archive' });
  expect(await submit({ cache: { mode: 'warm' } })).toEqual({ mode: 'warm' });
  expect((await run('cache-mode ls')).out).toMatch(/github\.com\/acme\/app +archive +default +local admin/);
  expect(JSON.parse((await run('cache-mode set --json app fresh')).out)).toMatchObject({ repo: 'app', mode: 'fresh' });
  expect(JSON.parse((await run('cache-mode ls --json app')).out)).toMatchObject({ modes: [{ mode: 'fresh' }] });
  await run('cache-mode set app default');
  expect((await run(`cache-mode set ${url} default`)).out).toBe('github.com/acme/app: no default of its own\n');
  expect(await submit({})).toBeUndefined();
  expect((await run('cache-mode ls')).err).toBe('kiln: no default cache modes; set one with kiln cache-mode set\n');
});

it('kiln cache prune-registry lists what it deletes, and exits with 1 if a registry did not delete something', async () => {
  expect(await run('cache prune-registry --dry-run')).toMatchObject({ code: 0, err: 'kiln: no unused references\n' });
  const owner = { team: 'default', repo: 'app', trust: 'trusted' } as const;
  await cli.pool.state.cacheReferences.wrote(owner, ['registry.invalid/app:cache'], Date.now() - 20 * 86_400_000);
  const { code, out } = await run('cache prune-registry --dry-run');
  expect(out).toMatch(/registry\.invalid\/app:cache +default +20d +failed: registry\.invalid was not reached/);
  expect(code).toBe(1);
});

it.each([
  ['cache rm app --mount /root/.npm', 'n\n', 'Drop /root/.npm of app on all hosts? [y/N] kiln: nothing was dropped\n'],
  [
    'cache rm app --untrusted --host a',
    '\n',
    'Drop the caches of app (untrusted builds) on a? [y/N] kiln: nothing was dropped\n',
  ],
  [
    'cache prune --kind outputs --team web --host a',
    '',
    'Drop outputs caches of team web that were not used for 30d on a? [y/N] \nkiln: nothing was dropped\n',
  ],
])('kiln %s asks first at a terminal, and drops nothing if the answer is %j', async (line, answer, said) => {
  const { code, err } = await run(line, atTerminal(answer));
  expect([code, err]).toEqual([1, said]);
  expect(await cli.pool.state.tasks.claim(A, ['drop'])).toBeUndefined();
});

it.each([
  ['cache rm app --host a', 'yes\n'],
  ['cache rm app --host a --yes', ''],
])('kiln %s drops at a terminal after the answer %j', async (line, answer) => {
  const dropped = run(line, atTerminal(answer));
  await carryOut({ caches: 1, freedBytes: 5 });
  expect(await dropped).toMatchObject({ code: 0, out: 'a: freed 1 cache, 5B\n' });
});

it.each([
  ['cache rm', 'REPO'],
  ['cache rm app --kind all', '--kind: got "all", expected dependencies, outputs, layers, tree'],
  ['cache prune --unused-for soon', '--unused-for'],
  ['cache prune-registry --unused-for soon', '--unused-for'],
  ['cache-mode set app hot', 'MODE: got "hot", expected warm, registry, archive, fresh or default'],
  ['cache-mode set app', 'MODE'],
  ['cache rm typo', 'cache_not_found'],
  ['cache rm app --host nobody', 'host_not_found'],
])('kiln %s is refused', async (line, text) => {
  const { code, err } = await run(line);
  expect(code).toBe(125);
  expect(err).toContain(text);
});
