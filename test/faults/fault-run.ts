import { startRegistry, type TestRegistry } from '@kiln/buildkit/testing';
import type { BuildRecord } from '@kiln/domain';
import type { State } from '@kiln/state';
import type { TestHosts } from '../support/hosts.ts';
import type { Pool } from '../support/pool/pool.ts';
import { startPool } from '../support/pool/start-pool.ts';
import { until } from '../support/until.ts';
import { endFaults, eventFaults, isUnlucky, logFaults } from './audit-builds.ts';
import { jobFaults, keyFaults, slotFaults } from './audit-redis.ts';
import { type Promised, runClient } from './client.ts';
import { Injector } from './injector.ts';
import { makePlan, type PlannedBuild } from './plan.ts';

export interface FaultRunOptions {
  readonly seed: number;
  /** Number of builds that clients submit. */
  readonly builds: number;
  readonly hosts: TestHosts;
  /** Number of clients that run side by side. Default: 8. */
  readonly clients?: number;
  /** Called with lines that report progress. */
  readonly say?: (text: string) => void;
}

export interface FaultReport {
  /** Broken promises; empty if every promise was kept. */
  readonly faults: readonly string[];
  /** The faults that were inflicted, each with its time. */
  readonly history: readonly string[];
  readonly builds: readonly BuildRecord[];
  /** Number of builds that failed because all their attempts were lost. */
  readonly unlucky: number;
  readonly seconds: number;
  /** Cause of each lost attempt. */
  readonly lost: readonly string[];
  /** Errors behind 5xx responses. */
  readonly requestErrors: readonly string[];
  /** Log lines of failed requests, and of builds that have faults. */
  readonly evidence: readonly string[];
}

/** If a larger share of the builds is unlucky, the rest proves little. */
/** A worker needs some seconds for its engine, and waits for Redis. */
const WORKERS_TIMEOUT_MS = 60_000;
const UNLUCKY_SHARE = 0.2;
const SETTLE_MS = 120_000;
/** The job of a dead worker returns to its queue when its lock has expired and BullMQ has found it stalled twice. */
const JOBS_MS = 120_000;

/** Lets clients build while faults are inflicted, both drawn from one seed. Then checks everything that Kiln promises. */
export async function runFaults({
  seed,
  builds: count,
  hosts,
  clients = 8,
  say = () => {},
}: FaultRunOptions): Promise<FaultReport> {
  const startedAt = performance.now();
  const plan = makePlan(seed, count, hosts.names);
  await using registry = await startRegistry({ listenAt: hosts.address });
  const pool = await startPool({
    hosts,
    schedulers: 2,
    apis: 2,
    // With `everysec`, Redis answers before it writes while the last fsync is still under way: a SIGKILL then loses acknowledged writes.
    appendFsync: 'always',
    // Builds are archived as soon as they have ended, so that faults also hit the archiving.
    env: { api: { KILN_BUILD_ARCHIVE_MINUTES: '0' } },
  });
  const faults: string[] = [];
  const injector = new Injector(pool, hosts);
  let builds: BuildRecord[] = [];
  const lost: string[] = [];
  let evidence: string[] = [];
  try {
    const stop = new AbortController();
    const retire = new AbortController();
    const supervised = injector.supervise(retire.signal);
    const inflicted = injector.run(plan, stop.signal);
    const promised: Promised[] = [];
    const left = [...plan.builds];
    const work = async () => {
      for (let next = left.shift(); next; next = left.shift()) {
        await attend(pool, registry, seed, next, promised, faults);
        injector.buildEnded();
        if (promised.length % 20 === 0)
          say(`${promised.length} of ${count} builds ended, ${injector.history.length} faults`);
      }
    };
    await Promise.all(Array.from({ length: clients }, work));
    stop.abort();
    await inflicted;
    await hosts.recover();
    say('all clients are done; checking what is left');
    builds = await audit(pool, registry, promised, faults, lost);
    // A worker that is stopped before it has started can't remove the tool container of one that was killed.
    await until('all workers have joined', () => pool.workersJoined, WORKERS_TIMEOUT_MS);
    retire.abort();
    await supervised;
    const blamed = [...new Set(faults.flatMap((fault) => fault.match(/\b01[0-9a-hjkmnp-tv-z]{24}\b/g) ?? []))];
    evidence = pool.linesOf('"msg":"request failed"');
    evidence.push(
      ...blamed.flatMap((id) => [...pool.linesOf(id), JSON.stringify(builds.find((build) => build.id === id))]),
    );
  } catch (error) {
    faults.push(`the run itself failed: ${error instanceof Error ? error.stack : error}`);
  }
  const unlucky = builds.filter(isUnlucky).length;
  if (unlucky > count * UNLUCKY_SHARE)
    faults.push(`${unlucky} of ${count} builds ran out of attempts, so the run proves little`);
  await pool[Symbol.asyncDispose]().catch((error: Error) => faults.push(error.message));
  faults.push(...(await hostFaults(hosts)));
  const seconds = (performance.now() - startedAt) / 1000;
  return {
    faults,
    history: injector.history,
    builds,
    unlucky,
    seconds,
    lost,
    requestErrors: requestErrorsOf(pool),
    evidence,
  };
}

function requestErrorsOf(pool: Pool): string[] {
  return pool.linesOf('"msg":"request failed"').map((line) => {
    const { err } = JSON.parse(line.slice(line.indexOf('{')));
    return `${err?.type}: ${String(err?.message).slice(0, 120)}`;
  });
}

async function attend(
  pool: Pool,
  registry: TestRegistry,
  seed: number,
  plan: PlannedBuild,
  promised: Promised[],
  faults: string[],
): Promise<void> {
  try {
    const report = await runClient(pool, registry.host, `s${seed}`, plan);
    promised.push(...report.promised);
    faults.push(...report.faults);
  } catch (error) {
    faults.push(`client of build ${plan.index} (${plan.kind}): ${error instanceof Error ? error.stack : error}`);
  }
}

async function audit(
  pool: Pool,
  registry: TestRegistry,
  promised: readonly Promised[],
  faults: string[],
  causes: string[],
): Promise<BuildRecord[]> {
  const state = await pool.state();
  // Including those whose acceptance no client was told.
  const all = await state.redis.zrange(state.keys.indexAll(), '0', '-1');
  const lost = promised.filter(({ id }) => !all.includes(id));
  faults.push(...lost.map(({ id, plan }) => `build ${id} (${plan.kind}) was accepted and does not exist any more`));
  await emptied('unended builds', SETTLE_MS, faults, () => unended(state));
  await emptied('slots', SETTLE_MS, faults, () => slotFaults(state));
  const builds = (await Promise.all(all.map((id) => state.builds.get(id)))).flatMap((build) =>
    build ? [build.record] : [],
  );
  const events = await eventFaults(state, all);
  for (const build of builds) {
    const log = await pool.log(build.id);
    const known = promised.find(({ id }) => id === build.id);
    const lines = known && ['chatty', 'canceled', 'broken'].includes(known.plan.kind) ? known.plan.lines : undefined;
    const found = [
      ...(events.get(build.id) ?? []),
      ...(await historyFaults(pool, build, causes)),
      ...(known ? endFaults(build, known.plan.kind) : []),
      ...(lines === undefined ? [] : logFaults(log, build, lines)),
      ...(known?.tag === undefined || build.state !== 'succeeded' ? [] : pushFaults(registry, known.tag, build)),
    ];
    const watched = known?.watched;
    if (watched && `${watched}` !== `${log.map(({ id }) => id)}`) found.push(`its follower received ${watched}`);
    faults.push(...found.map((fault) => `build ${build.id}: ${fault}`));
  }
  await lapseClaims(state);
  await emptied('unarchived logs', SETTLE_MS, faults, () => unarchived(state));
  await emptied('jobs', JOBS_MS, faults, () => jobFaults(state));
  await state.history.purge(Number.POSITIVE_INFINITY, all.length);
  faults.push(...(await keyFaults(state)));
  return builds;
}

/** Waits until nothing of `what` is left. What is still left after `timeoutMs` is added to `faults`. */
async function emptied(
  what: string,
  timeoutMs: number,
  faults: string[],
  read: () => Promise<string[]>,
): Promise<void> {
  let left: string[] = [];
  const isEmpty = async () => {
    left = await read();
    return left.length === 0;
  };
  await until(`there are no ${what}`, isEmpty, timeoutMs).catch(() =>
    faults.push(...left.map((each) => `${each}, after ${timeoutMs} ms`)),
  );
}

async function unended({ redis, keys }: State): Promise<string[]> {
  const states = ['queued', 'assigned', 'running'];
  const ids = await Promise.all(states.map((state) => redis.zrange(keys.indexState(state), '0', '-1')));
  return ids.flatMap((found, i) => found.map((id) => `build ${id} is still ${states[i]}`));
}

/** Removes the claims that killed APIs left on logs. They would expire by themselves, but later. */
async function lapseClaims(state: State): Promise<void> {
  for (const { buildId, attempt } of await state.logs.unarchived(1_000)) {
    await state.redis.del(state.keys.logClaim(buildId, attempt));
  }
}

async function unarchived(state: State): Promise<string[]> {
  const left = await state.logs.unarchived(1_000);
  return left.map(({ buildId, attempt }) => `the log of ${buildId}, attempt ${attempt} is not in the archive`);
}

/** Finds what clients cannot read of an ended build, whether it is in Redis or archived. */
async function historyFaults(
  { client }: Pool,
  { id, state, attempts }: BuildRecord,
  causes: string[],
): Promise<string[]> {
  const [view, { decisions }] = await Promise.all([client.get(id), client.placement(id)]);
  // Once a build is archived, only its document has the failures of its attempts.
  causes.push(
    ...view.attempts.flatMap(({ end, failure }) =>
      end === 'lost' ? [`${failure?.code}: ${failure?.message.slice(0, 100)}`] : [],
    ),
  );
  if (view.state !== state) return [`clients see the state ${view.state}, expected ${state}`];
  const placed = new Set(decisions.filter(({ host }) => host !== null).map(({ attempt }) => attempt));
  return attempts.flatMap(({ number }) => (placed.has(number) ? [] : [`attempt ${number} has no placement decision`]));
}

function pushFaults(registry: TestRegistry, tag: string, { result }: BuildRecord): string[] {
  const name = tag.slice(registry.host.length + 1);
  const last = registry.pushes.findLast((push) => push.tag === name);
  return last?.digest === result?.digest ? [] : [`its tag points to ${last?.digest}, expected ${result?.digest}`];
}

/** Finds what the pool left on its hosts. */
async function hostFaults(hosts: TestHosts): Promise<string[]> {
  const found: string[] = [];
  for (const name of hosts.names) {
    const containers = (await hosts.host(name).docker('ps', '--all', '--format', '{{.Names}}')).trim();
    if (containers !== '') found.push(`host ${name} has containers: ${containers.split('\n').join(', ')}`);
    const strays = await hosts.host(name).strays();
    if (strays.length > 0) found.push(`host ${name} still runs: ${strays.join('; ')}`);
  }
  return found;
}
