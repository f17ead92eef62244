/**
 * `npm run bench:overhead [-- --runs N --json FILE]`: measures what Kiln adds to a fully cached build, from the HTTP submit until the client sees
 * the end, against `docker buildx build` on the same engine, alternating in one run. Fails only if a build fails.
 */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { KilnClient } from '@kiln/client';
import { kilnUp } from './support/kiln-up.ts';
import { median, ms, percentile, saveJson, say, table } from './support/report.ts';
import { tarOf } from './support/tar.ts';

const WARM_UP = 3;
const NAME = 'bench-overhead';
/** The namespace that the worker gives the repo's mounts, so that both ways find the same layers. */
const NAMESPACE = createHash('sha256').update(NAME).digest('hex').slice(0, 16);

const { values } = parseArgs({ options: { runs: { type: 'string', default: '30' }, json: { type: 'string' } } });
const runs = Math.max(20, Number(values.runs));

/** Durations of the phases of one build through Kiln, ms. */
interface Phases {
  readonly total: number;
  readonly firstRecord: number;
  readonly accept: number;
  readonly place: number;
  readonly deliver: number;
  readonly exec: number;
  readonly buildkit: number;
  readonly settle: number;
  readonly seen: number;
}

async function viaKiln(client: KilnClient, tar: Buffer): Promise<Phases> {
  const begun = Date.now();
  const startedAt = performance.now();
  const at = () => performance.now() - startedAt;
  const { id } = await client.submit(
    { source: { type: 'upload', name: NAME } },
    { context: { open: () => ReadableStream.from([tar]), repeatable: true } },
  );
  const accept = at();
  let firstRecord = Number.NaN;
  const steps: number[] = [];
  for await (const record of client.followLog(id)) {
    if (Number.isNaN(firstRecord)) firstRecord = at();
    if (record.type === 'step') steps.push(record.t);
  }
  const total = at();
  const build = await client.get(id);
  if (build.state !== 'succeeded' || build.steps?.cached !== build.steps?.total) {
    throw new Error(`build ${id} ${build.state}, ${JSON.stringify(build.steps)}: ${JSON.stringify(build.failure)}`);
  }
  const time = (text: string | undefined) => Date.parse(text ?? '') - begun;
  const [assigned, started, finished] = [build.attempts[0]?.assignedAt, build.startedAt, build.finishedAt].map(
    time,
  ) as [number, number, number];
  const first = Math.min(...steps) - begun;
  const last = Math.max(...steps) - begun;
  return {
    total,
    firstRecord,
    accept,
    place: assigned - time(build.createdAt),
    deliver: started - assigned,
    exec: first - started,
    buildkit: last - first,
    settle: finished - last,
    seen: total - finished,
  };
}

async function viaBuildx(context: string, tar?: Buffer): Promise<number> {
  const startedAt = performance.now();
  const args = ['buildx', '--builder', 'default', 'build', '--progress=plain', '--output=type=cacheonly'];
  const child = spawn('docker', [...args, `--build-arg=BUILDKIT_CACHE_MOUNT_NS=${NAMESPACE}`, tar ? '-' : context], {
    stdio: [tar ? 'pipe' : 'ignore', 'ignore', 'ignore'],
  });
  child.stdin?.end(tar);
  const [code] = await once(child, 'exit');
  if (code !== 0) throw new Error(`docker buildx build exited with ${code}`);
  return performance.now() - startedAt;
}

async function makeContext(dir: string): Promise<{ context: string; tar: Buffer }> {
  const base = process.env.KILN_EXAMPLE_DEBIAN_IMAGE ?? 'debian:bookworm-slim';
  const files = {
    Dockerfile: `FROM ${base}\nWORKDIR /app\nCOPY . .\nRUN --mount=type=cache,target=/cache cat * > /cache/all\nRUN sort /app/data > /app/sorted\n`,
    data: 'a line\n'.repeat(10_000),
  };
  const context = join(dir, 'context');
  await mkdir(context);
  for (const [name, text] of Object.entries(files)) await writeFile(join(context, name), text);
  const packed = await Promise.all(
    Object.keys(files).map(async (name) => [name, await readFile(join(context, name))] as const),
  );
  return { context, tar: await tarOf(Object.fromEntries(packed)) };
}

await using pool = await kilnUp();
const { context, tar } = await makeContext(pool.dir);
for (let i = 0; i < WARM_UP; i++) {
  await pool.client
    .submit(
      { source: { type: 'upload', name: NAME } },
      { context: { open: () => ReadableStream.from([tar]), repeatable: true } },
    )
    .then(({ id }) => pool.client.waitForEnd(id));
  await viaBuildx(context);
  await viaBuildx(context, tar);
}

const kiln: Phases[] = [];
const directory: number[] = [];
const stdin: number[] = [];
for (let i = 0; i < runs; i++) {
  kiln.push(await viaKiln(pool.client, tar));
  directory.push(await viaBuildx(context));
  stdin.push(await viaBuildx(context, tar));
}

const totals = kiln.map(({ total }) => total);
const row = (name: string, figures: readonly number[]) => [name, ms(median(figures)), ms(percentile(figures, 90))];
say(`A fully cached build, ${runs} runs each, alternating\n`);
say(
  table([
    ['', 'median', 'p90'],
    row('through Kiln', totals),
    row('docker buildx build, a directory', directory),
    row('docker buildx build, a tar on stdin', stdin),
  ]),
);
const above = median(totals) - median(directory);
say(
  `\n  Kiln above docker buildx build: ${ms(above)} at the median (goal: at most 150), ${(median(totals) / median(directory)).toFixed(2)} times as long`,
);
const first = kiln.map(({ firstRecord }) => firstRecord);
say(`  submit → first log record at the client: ${ms(median(first))} at the median (goal: under 150)\n`);
say('Where the time goes\n');
const PHASES = {
  accept: 'accept: upload and submit, until 202',
  place: 'place: accepted → assigned',
  deliver: 'deliver: assigned → started by the worker',
  exec: 'exec: started → BuildKit’s first step (unpack, exec, buildx’s own start)',
  buildkit: 'buildx: first step → last step',
  settle: 'settle: last step → end written (buildx’s exit, exit code, last log)',
  seen: 'seen: end written → end seen by the client',
} as const;
const phases = Object.entries(PHASES) as [keyof typeof PHASES, string][];
say(
  table([
    ['', 'median', 'p90'],
    ...phases.map(([key, name]) =>
      row(
        name,
        kiln.map((run) => run[key]),
      ),
    ),
  ]),
);
await saveJson(values.json, {
  runs,
  medianMs: {
    kiln: median(totals),
    directory: median(directory),
    stdin: median(stdin),
    above,
    firstRecord: median(first),
  },
  phasesMs: Object.fromEntries(phases.map(([key]) => [key, median(kiln.map((run) => run[key]))])),
});
