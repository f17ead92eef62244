import { writeFile } from 'node:fs/promises';
import { KilnClient } from '@kiln/client';
import type { BuildView } from '@kiln/contracts';
import { say } from '../bench/support/report.ts';
import { FlagError } from './options.ts';

/** How many caches a host holds in an exported trace. The API doesn't report sizes, so each cache counts 1. */
const DISK = 20;
const AT_ONCE = 16;

interface Ran {
  readonly build: BuildView;
  readonly startedAt: number;
  readonly seconds: number;
}

/**
 * Writes a pool's history as a trace for `--trace`: the hosts as they are now, and each build that succeeded, with the duration of its last
 * attempt and the warmth of its host by the placement decision.
 * @throws FlagError
 */
export async function exportHistory(path: string, env: Readonly<NodeJS.ProcessEnv>): Promise<void> {
  const { KILN_URL: url, KILN_TOKEN: token } = env;
  if (!url) throw new FlagError('KILN_URL', 'nothing', 'the address of the pool whose history is to be exported');
  const client = new KilnClient({ url, token });
  const hosts = await client.hosts();
  const ran = await history(client);
  const begun = Math.min(...ran.map(({ build }) => Date.parse(build.createdAt)));
  const lines: object[] = hosts.map(({ name, slots }) => ({ type: 'host', host: name, slots, disk: DISK }));
  for (let i = 0; i < ran.length; i += AT_ONCE) {
    lines.push(...(await Promise.all(ran.slice(i, i + AT_ONCE).map((one) => buildLine(client, one, begun)))));
  }
  await writeFile(path, `${lines.map((line) => JSON.stringify(line)).join('\n')}\n`);
  say(`${ran.length} builds and ${hosts.length} hosts written to ${path}`);
}

/** Oldest first. */
async function history(client: KilnClient): Promise<Ran[]> {
  const found: Ran[] = [];
  let cursor: string | undefined;
  do {
    const page = await client.list({ limit: 200, cursor });
    for (const build of page.builds) {
      if (build.state !== 'succeeded' || build.startedAt === undefined || build.durationMs === undefined) continue;
      found.push({ build, startedAt: Date.parse(build.startedAt), seconds: Math.max(0.1, build.durationMs / 1_000) });
    }
    cursor = page.next;
  } while (cursor !== undefined);
  return found.reverse();
}

async function buildLine(client: KilnClient, { build, seconds }: Ran, begun: number): Promise<object> {
  const { decisions } = await client.placement(build.id);
  const chosen = decisions.at(-1)?.considered.find(({ verdict }) => verdict === 'chosen');
  const { team, repo } = build;
  const { priority, weight } = build.request;
  const submitted = (Date.parse(build.createdAt) - begun) / 1_000;
  return {
    type: 'build',
    build: build.id,
    submitted,
    repo,
    team,
    priority,
    weight,
    run: { seconds, warmth: chosen?.warmth ?? 0 },
  };
}
