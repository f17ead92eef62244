/**
 * `npm run bench:hooks [-- --hooks N --senders N --json FILE]`: measures push webhooks, `senders` at a time, at one API process, which reads each
 * commit's `.kiln.yaml` from a real git server on the same machine: the time from sending a webhook to its queued build, and to its response;
 * once for commits that are new to Kiln, once for known ones. Fails if a webhook does not make exactly one build; never on time.
 */
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { KilnClient } from '@kiln/client';
import { delivery, SECRET, sign } from '@kiln/forges/testing';
import { GitServer } from '@kiln/git/testing';
import { TestRedis } from '@kiln/state/testing';
import { until } from '../support/until.ts';
import { ms, percentile, saveJson, say, table } from './support/report.ts';

const API = fileURLToPath(new URL('../../apps/api/src/main.ts', import.meta.url));
const TOKEN = 'the-bench-token';
const CONFIG = 'version: 1\non: { push: null }\nimages: [{ name: app }]\n';
/** Long, because the polls add load to the process that is measured. */
const POLL_MS = 100;
const DELIVERY_TIMEOUT_MS = 120_000;

interface Spread {
  readonly p50: number;
  readonly p99: number;
}

/** Times in ms. */
export interface HookFigures {
  readonly hooks: number;
  readonly senders: number;
  readonly newCommits: { readonly queued: Spread; readonly answered: Spread };
  readonly knownCommits: { readonly queued: Spread; readonly answered: Spread };
}

/** Runs the benchmark against its own API process. @throws Error if a webhook does not make exactly one build */
export async function benchHooks({ hooks, senders }: { hooks: number; senders: number }): Promise<HookFigures> {
  await using stack = new AsyncDisposableStack();
  const redis = stack.use(await TestRedis.start());
  const git = stack.use(await GitServer.start());
  const dir = stack.adopt(await mkdtemp(join(tmpdir(), 'kiln-bench-')), (path) =>
    rm(path, { recursive: true, force: true }),
  );
  const url = await startApi(redis.url, dir, stack);
  const client = new KilnClient({ url, token: TOKEN });
  const repository = 'tidewater-labs/harbor';
  await client.hooks.putConnection('bench', {
    ...{ forge: 'github', team: 'bench', webhookSecret: SECRET },
    repositories: [{ match: [repository], cloneUrl: git.url() }],
  });
  const commits = [git.commit({ '.kiln.yaml': CONFIG })];
  while (commits.length < hooks) commits.push(git.commit({ n: String(commits.length) }));
  const newCommits = await send({ url, client, commits, senders });
  const knownCommits = await send({ url, client, commits, senders });
  return { hooks, senders, newCommits, knownCommits };
}

async function startApi(redisUrl: string, dir: string, stack: AsyncDisposableStack): Promise<string> {
  const env = {
    ...process.env,
    ...{ KILN_REDIS_URL: redisUrl, KILN_TOKEN: TOKEN, KILN_PORT: '0', KILN_BLOB_DIR: dir, KILN_LOG_LEVEL: 'info' },
    ...{ KILN_SECRET_KEY: Buffer.alloc(32, 1).toString('base64'), KILN_ALLOWED_HOSTS: 'loopback' },
  };
  const child = spawn(process.execPath, [API], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  let said = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      said = (said + chunk).slice(-100_000);
      const found = /"url":"(http[^"]+)"/.exec(said)?.[1];
      if (found !== undefined) resolve(found);
    });
  }
  child.once('exit', (code) => reject(new Error(`the API exited with ${code}:\n${said}`)));
  stack.defer(async () => {
    const exited = new Promise((done) => child.once('exit', done));
    child.kill('SIGTERM');
    await exited;
  });
  return promise;
}

interface Sending {
  readonly url: string;
  readonly client: KilnClient;
  readonly commits: readonly string[];
  readonly senders: number;
}

async function send({ url, client, commits, senders }: Sending) {
  const queue = commits.entries();
  const queued: number[] = [];
  const answered: number[] = [];
  const one = async (before: string, commit: string) => {
    const { headers, body } = pushOf(before, commit);
    const [sentAt, begun] = [Date.now(), performance.now()];
    const answer = await fetch(`${url}/v1/hooks/github/bench`, { method: 'POST', headers, body });
    answered.push(performance.now() - begun);
    if (answer.status !== 202) throw new Error(`webhook answered ${answer.status}: ${await answer.text()}`);
    const { id } = (await answer.json()) as { id: string };
    const processed = async () => {
      const found = await client.hooks.delivery(id);
      return found.state !== 'pending' && found;
    };
    const known = await until(`delivery ${id} is processed`, processed, DELIVERY_TIMEOUT_MS, POLL_MS);
    const [build, ...more] = known.builds;
    if (build === undefined || more.length > 0)
      throw new Error(`webhook made ${known.builds.length} builds, expected 1: ${known.reasons}`);
    queued.push(Date.parse((await client.get(build)).createdAt) - sentAt);
  };
  const sender = async () => {
    for (const [i, commit] of queue) await one(commits[i - 1] ?? commit, commit);
  };
  await Promise.all(Array.from({ length: senders }, sender));
  const spread = (values: readonly number[]): Spread => ({ p50: percentile(values, 50), p99: percentile(values, 99) });
  return { queued: spread(queued), answered: spread(answered) };
}

const RECORDED = delivery('github', 'push');
const { before: BEFORE, after: AFTER } = RECORDED.json as { before: string; after: string };

/** Makes GitHub's webhook for a push of a commit, signed, with a unique id. */
function pushOf(before: string, commit: string) {
  const text = RECORDED.body.toString().replaceAll(BEFORE, before).replaceAll(AFTER, commit);
  const { headers, body } = sign('github', Buffer.from(text), {
    ...RECORDED.headers,
    'x-github-delivery': randomUUID(),
  });
  return { headers: headers as Record<string, string>, body: new Uint8Array(body) };
}

if (import.meta.main) {
  const options = { hooks: { type: 'string' }, senders: { type: 'string' }, json: { type: 'string' } } as const;
  const { values } = parseArgs({ options });
  const figures = await benchHooks({ hooks: Number(values.hooks ?? 200), senders: Number(values.senders ?? 50) });
  const row = (name: string, { p50, p99 }: Spread) => [name, ms(p50), ms(p99)];
  say(`${figures.hooks} webhooks, ${figures.senders} at a time, one API process, git on the same machine:`);
  say(
    table([
      ['', 'p50', 'p99'],
      row('webhook → build queued, known commits', figures.knownCommits.queued),
      row('webhook → build queued, commits fetched by git', figures.newCommits.queued),
      row('webhook → response, known commits', figures.knownCommits.answered),
      row('webhook → response, commits fetched by git', figures.newCommits.answered),
    ]),
  );
  await saveJson(values.json, figures);
}
