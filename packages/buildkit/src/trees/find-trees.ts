import { createHash } from 'node:crypto';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { decodeHead } from '@kiln/trees';
import { readBeginning } from './replace-file.ts';
import { recordFile, type TreeHead } from './working-tree.ts';

/** The tree of a named context, inside of a working tree. */
export interface FoundPart {
  readonly dir: string;
  /** Undefined if it is incomplete. */
  readonly head: TreeHead | undefined;
  /** ms since the epoch. */
  readonly usedAt: number;
}

/** A working tree on the disk. */
export interface FoundTree extends FoundPart {
  /** Directory of all trees of its repo, and its number there. */
  readonly repo: string;
  readonly number: number;
  /** Its user; undefined if there is nothing in it. */
  readonly uid: number | undefined;
  readonly named: readonly FoundPart[];
}

/** Returns the directory of a domain's trees, with `repos/<repo>/<number>` and `times/<namespace>` in it. */
export function domainDir(trees: string, domain: string): string {
  return join(trees, slug(domain));
}

export function repoDir(trees: string, domain: string, repo: string): string {
  return join(domainDir(trees, domain), 'repos', slug(repo));
}

export function timesDir(trees: string, domain: string, namespace: string): string {
  return join(domainDir(trees, domain), 'times', slug(namespace));
}

/** Finds all working trees below a builder's directory of trees. */
export async function findTrees(trees: string): Promise<FoundTree[]> {
  const found: FoundTree[] = [];
  for (const domain of await namesIn(trees)) {
    const repos = join(trees, domain, 'repos');
    for (const name of await namesIn(repos)) {
      const repo = join(repos, name);
      for (const number of await namesIn(repo)) found.push(await read(repo, Number(number)));
    }
  }
  return found;
}

/** Finds the ledgers of times that no tree needs, and that haven't changed since `untilMs`. Without one, a build's files only get new times. */
export async function findOldTimes(trees: string, found: readonly FoundTree[], untilMs: number): Promise<string[]> {
  const needed = new Set(
    found.flatMap(({ head, named }) => [head, ...named.map((part) => part.head)]).map((head) => head?.ledger),
  );
  const old: string[] = [];
  for (const domain of await namesIn(trees)) {
    const times = join(trees, domain, 'times');
    for (const name of await namesIn(times)) {
      const dir = join(times, name);
      if (needed.has(dir)) continue;
      // Its file is appended to, which doesn't change the directory.
      const { mtimeMs } = await stat(join(dir, 'given')).catch(() => stat(dir));
      if (mtimeMs < untilMs) old.push(dir);
    }
  }
  return old;
}

async function read(repo: string, number: number): Promise<FoundTree> {
  const dir = join(repo, String(number));
  const own = await stat(join(dir, 'own')).catch(() => undefined);
  const named: FoundPart[] = [];
  for (const name of await namesIn(join(dir, 'named'))) named.push(await readPart(join(dir, 'named', name)));
  return { ...(await readPart(dir)), repo, number, uid: own?.uid, named };
}

async function readPart(dir: string): Promise<FoundPart> {
  const head = decodeHead<TreeHead>((await readBeginning(recordFile(dir))) ?? '');
  const used = head && (await stat(recordFile(dir)));
  return { dir, head, usedAt: used?.mtimeMs ?? 0 };
}

/** How much of the disk a tree takes, with those of its named contexts, bytes, about. */
export function foundBytes({ head, named }: FoundTree): number {
  return [head, ...named.map((part) => part.head)].reduce((sum, each) => sum + (each?.bytes ?? 0), 0);
}

async function namesIn(dir: string): Promise<string[]> {
  try {
    return await readdir(dir);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

function slug(key: string): string {
  return createHash('sha256').update(key).digest('hex').slice(0, 32);
}
