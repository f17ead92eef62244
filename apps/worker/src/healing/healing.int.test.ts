import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { HostBuilders } from '@kiln/buildkit';
import { engine, IMAGES, removeImages, smallRoot } from '@kiln/buildkit/testing';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import type { DomainLane } from '../executors/domain-lane.ts';
import { buildOn, healedLane, type LaneBuild } from '../testing/healed-lane.ts';
import { HostHealing } from './host-healing.ts';

const DOMAIN = 'trusted';
const TAG = `kiln.local/healing-${randomUUID().slice(0, 8)}:1`;
const BLOBS = '/var/lib/buildkit/containerd/daemon/io.containerd.content.v1.content/blobs/sha256';
const log = { debug() {}, info() {}, warn() {}, error() {} };
const instance = randomUUID().slice(0, 8);
const containerName = `buildx_buildkit_kiln-heal-${instance}-trusted0`;

let scratchDir: string;
let builders: HostBuilders;
let root: Buffer;
let healing: HostHealing;
let lane: DomainLane;
/** What the pool was told, in order. */
let away: boolean[];
/** What starting the builder fails with next, once. */
let startError: Error | undefined;
/** How far the clock of the healing is ahead, ms. */
let nowMs = 0;
const KEEP_MS = 3_600_000;

beforeAll(async () => {
  root = await smallRoot(['/usr/bin/head', '/usr/bin/tail']);
  scratchDir = await mkdtemp(join(tmpdir(), 'kiln-heal-'));
  builders = await HostBuilders.start({
    ...{ hostName: 'heal', instance, scratchDir, log, trust: 'trusted', isolation: 'pool', cacheBudgetBytes: 4e9 },
    ...{ driver: 'docker-container', toolImage: IMAGES.tool, buildkitImage: IMAGES.buildkit, stalledAfterMs: 5_000 },
  });
});
afterAll(async () => {
  await builders.close();
  await engine.getContainer(containerName).remove({ force: true });
  await engine.getVolume(`${containerName}_state`).remove();
  await removeImages([TAG]);
  await rm(scratchDir, { recursive: true, force: true });
});

beforeEach(async () => {
  healing = await HostHealing.open({
    ...{
      source: builders,
      ledgerFile: undefined,
      keepBrokenMs: KEEP_MS,
      log: log as never,
      now: () => Date.now() + nowMs,
    },
    limits: { perDay: 6, backoffMs: 10 },
  });
  away = [];
  lane = healedLane(builders, healing, {
    async open() {
      const error = startError;
      startError = undefined;
      if (error) throw error;
      return await builders.open(DOMAIN);
    },
    onAway: async (isAway) => void away.push(isAway),
  });
});
afterEach(async () => {
  lane.stopWatching();
  healing.stop();
});

const build = (lines: string, spec: object = {}) => buildOn(lane, root, lines, spec);

/** Runs a script in the builder's container. @returns whether its exit code is 0 */
async function inside(script: string): Promise<boolean> {
  const exec = await engine
    .getContainer(containerName)
    .exec({ Cmd: ['sh', '-c', script], AttachStdout: true, AttachStderr: true });
  const stream = await exec.start({});
  stream.resume();
  await new Promise((resolve) => stream.once('end', resolve));
  return (await exec.inspect()).ExitCode === 0;
}

/** How long steps sleep that a test wakes. */
const SECONDS = `9${process.pid}`;
const SLEEPING = `'[9]${process.pid}' /proc/[0-9]*/cmdline`;
const isAsleep = () => inside(`grep -qszx ${SLEEPING}`);
const wake = () => inside(`kill -9 $(grep -lszx ${SLEEPING} | cut -d/ -f3)`);

const actions = () => healing.ledger.incidents.map(({ state, action }) => [state, action]);
const notes = ({ records }: LaneBuild) => records.flatMap((record) => (record.type === 'note' ? [record.message] : []));

test('runs a build again, past a snapshot that is missing, and keeps the cache mounts', async () => {
  const base = 'RUN --mount=type=cache,target=/c echo x >> /c/log; echo 1 > /a';
  expect((await build(`${base}\nRUN echo 2 > /b`)).outcome).toMatchObject({ end: 'succeeded' });
  // Layers, which have a parent or are committed, from the last one to the first: one with children can't be removed.
  const ctr = 'ctr -a /run/buildkit/exec/containerd/containerd.sock -n moby snapshots';
  const layers = `${ctr} ls | grep -E '^\\S+ +\\S+ +(Active|Committed)|Committed' | cut -d' ' -f1`;
  await inside(`for i in 1 2 3 4; do for key in $(${layers}); do ${ctr} rm $key; done; done`);
  const second = await build(`${base}\nRUN --mount=type=cache,target=/c cat /c/log /a`);
  expect(second.outcome).toMatchObject({ end: 'succeeded' });
  expect(second.output).toBe('x\nx\n1\n');
  expect(notes(second)).toEqual([
    expect.stringMatching(
      /^the builder's store is damaged \(snapshot_missing\): .* running the build again after removing \d+ of its records$/,
    ),
  ]);
  expect([actions(), away]).toEqual([[['snapshot_missing', 'retried']], []]);
  // Steps of both runs have numbers of their own.
  const names = new Map<number, string>();
  for (const record of second.records) {
    if (record.type !== 'step') continue;
    expect(names.get(record.step) ?? record.name).toBe(record.name);
    names.set(record.step, record.name);
  }
});

test('runs a build again, past content that is missing', async () => {
  const spec = { output: { type: 'load' }, tags: [TAG] };
  expect((await build('RUN echo 4 > /a', spec)).outcome).toMatchObject({ end: 'succeeded' });
  await inside(`rm ${BLOBS}/*`);
  expect((await build('RUN echo 4 > /a', spec)).outcome).toMatchObject({ end: 'succeeded' });
  expect(actions()).toEqual([['content_missing', 'retried']]);
});

test('neither retries nor quarantines anything because of what a build says or does wrong', async () => {
  const text = 'failed to prepare a: parent snapshot fo7hvnz23wcoty60dn9z57r1i does not exist: not found';
  const failed = await build(`RUN echo "${text}"; echo "ERROR: failed to solve: ${text}" >&2; exit 3`);
  expect(failed.outcome.failure).toMatchObject({ code: 'step_failed', exitCode: 3 });
  const missing = await build(`COPY ["${text}", "/"]`);
  expect(missing.outcome.failure?.code).toBe('step_failed');
  expect([notes(failed), notes(missing), actions(), away]).toEqual([[], [], [], []]);
});

test('hands back builds that wait for a lock whose holder is gone, and restarts BuildKit', async () => {
  const locked = (command: string) => `RUN --mount=type=cache,id=l,target=/c,sharing=locked ${command}`;
  const holding = build(locked(`sleep ${SECONDS}`));
  // The step's process is gone, but what started it, and tells BuildKit so, hangs.
  await expect.poll(isAsleep, { timeout: 60_000 }).toBe(true);
  await inside(`for p in /proc/[0-9]*; do [ "$(cat $p/comm)" != runc ] || kill -STOP "\${p#/proc/}"; done`);
  await wake();
  const ended = await Promise.all([holding, build(locked('echo b'))]);
  for (const { outcome } of ended)
    expect(outcome).toMatchObject({ end: 'failed', failure: { code: 'infrastructure' } });
  await expect.poll(() => away.at(-1), { timeout: 60_000 }).toBe(false);
  expect(actions()).toContainEqual(['stuck', 'handed_back']);
  expect(actions().at(-1)).toEqual(['stuck', 'restarted']);
  expect((await build(locked('echo c'))).output).toBe('c\n');
});

test('hands back a build whose BuildKit was killed for memory, says so, and goes on when it is up again', async () => {
  const container = engine.getContainer(containerName);
  expect((await build('RUN echo 6 > /a')).outcome).toMatchObject({ end: 'succeeded' });
  await container.update({ Memory: 400_000_000, MemorySwap: 400_000_000 });
  const building = build(`RUN sleep ${SECONDS}; head -c 900000000 /dev/zero | tail -c 900000000 > /dev/null`);
  await expect.poll(isAsleep, { timeout: 60_000 }).toBe(true);
  // The kernel kills the process with the highest score in the group that has reached its limit. Processes inherit their scores.
  await inside('for p in /proc/[0-9]*; do [ "$(cat $p/comm)" != dockerd ] || echo 1000 > $p/oom_score_adj; done');
  await wake();
  expect((await building).outcome.failure).toEqual({
    code: 'infrastructure',
    message: 'BuildKit was killed for memory in its container, whose limit is 400000000 bytes',
  });
  await expect.poll(() => away.at(-1), { timeout: 60_000 }).toBe(false);
  expect(actions()).toEqual([
    ['out_of_memory', 'handed_back'],
    ['out_of_memory', 'restarted'],
  ]);
  await container.update({ Memory: 8e9, MemorySwap: 8e9 });
  expect((await build('RUN echo 7 > /a')).outcome).toMatchObject({ end: 'succeeded' });
});

test('gives a builder whose database is broken a new state, and keeps the old one for a while', async () => {
  await builders.stop(DOMAIN);
  await inVolume('truncate -s 100 /state/buildkit/containerd-overlayfs/metadata_v2.db');
  const container = engine.getContainer(containerName);
  await container.start();
  const printed = async () => (await container.logs({ stdout: true, stderr: true, tail: 50 })).toString();
  await expect.poll(printed, { timeout: 60_000 }).toContain('invalid database');
  // A start on it fails, for which buildx needs a quarter of a minute, and so does another one, which the ladder begins with.
  startError = new Error('BuildKit does not answer');
  await healing.ledger.repaired(DOMAIN, { at: Date.now(), state: 'record_corrupt', action: 'restarted' });
  await expect(build('RUN echo 5 > /a')).rejects.toThrow('BuildKit does not answer');
  await expect.poll(() => away.at(-1), { timeout: 60_000 }).toBe(false);
  expect(away[0]).toBe(true);
  expect(actions()).toEqual([['record_corrupt', 'new_state']]);
  expect((await build('RUN echo 5 > /a')).outcome).toMatchObject({ end: 'succeeded' });
  const [broken] = healing.ledger.broken;
  const listed = () => inVolume('ls /state/.kiln-broken/*/buildkit/cache.db').catch(() => 'gone');
  expect(await listed()).toBe(`/state/.kiln-broken/${broken?.name}/buildkit/cache.db`);
  nowMs += KEEP_MS;
  await healing.sweep();
  expect([await listed(), healing.ledger.broken]).toEqual(['gone', []]);
}, 90_000);

/** Runs a script in a container on the builder's volume, and returns what it prints. @throws Error if it fails */
async function inVolume(script: string): Promise<string> {
  const container = await engine.createContainer({
    Image: IMAGES.debian,
    Cmd: ['sh', '-c', script],
    Tty: true,
    HostConfig: { Binds: [`${containerName}_state:/state`] },
  });
  try {
    await container.start();
    const { StatusCode } = (await container.wait()) as { StatusCode: number };
    const printed = (await container.logs({ stdout: true })).toString().trim();
    if (StatusCode !== 0) throw new Error(printed);
    return printed;
  } finally {
    await container.remove({ force: true });
  }
}
