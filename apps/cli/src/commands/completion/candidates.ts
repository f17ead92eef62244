import type { KilnClient } from '@kiln/client';
import type { BuildView } from '@kiln/contracts';
import { safeName } from '@kiln/contracts';
import type { Io } from '../../io/output.ts';
import { readContexts } from '../../server/contexts.ts';
import { findServer } from '../../server/find-server.ts';

/** What a word may name. */
export type Kind = 'builds' | 'unfinished' | 'hosts' | 'repos' | 'contexts';
/** A word, and what it means. */
export type Candidate = readonly [value: string, about?: string];

/** How long a press of Tab waits at most, ms. */
const PATIENCE_MS = 1_000;
const NEWEST = 100;

/** Returns the names of a kind, from the server or from this machine. @throws if they can't be read in time */
export async function namesOf(
  kind: Kind,
  connection: Parameters<typeof findServer>[0],
  io: Pick<Io, 'env'>,
): Promise<readonly Candidate[]> {
  if (kind === 'contexts') {
    const { contexts } = await readContexts(io.env);
    return Object.entries(contexts).map(([name, { url }]) => [name, url]);
  }
  const server = await findServer(connection, io.env);
  const { connect } = await import('../../server/connect.ts');
  const names = await read(kind, connect(server), AbortSignal.timeout(PATIENCE_MS));
  // A name of the server's must be one word, and nothing else, in the shell.
  return names
    .filter(([value]) => /^[\w./:@+-]+$/.test(value))
    .map(([value, about = '']) => [value, safeName(about).replaceAll('\t', ' ')]);
}

async function read(kind: Exclude<Kind, 'contexts'>, client: KilnClient, signal: AbortSignal): Promise<Candidate[]> {
  if (kind === 'hosts') return (await client.hosts({ signal })).map(({ name, state }) => [name, state]);
  const { builds } = await client.list({ limit: NEWEST, signal });
  if (kind === 'repos') return [...new Set(builds.map(({ repo }) => repo))].map((repo) => [repo]);
  return builds.filter((build) => kind === 'builds' || build.finishedAt === undefined).map(candidateOf);
}

function candidateOf({ id, state, repo }: BuildView): Candidate {
  return [id, `${state} ${repo}`];
}
