import { createHash } from 'node:crypto';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { decodeHead } from '@kiln/trees';
import { readBeginning } from './replace-file.ts';
import { recordFile, type TreeHead } from './working-tree.ts';

/** A working tree on the disk. */
export interface FoundTree {
  readonly dir: string;
  /** Directory of all trees of its repo, and its number there. */
  readonly repo: string;
  readonly number: number;
  /** Its user; undefined if there is nothing in it. */
  readonly uid: number | undefined;
  /** Undefined if it is incomplete. */
  readonly head: TreeHead | undefined;
  /** ms since the epoch. */
  readonly usedAt: number;
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
  const needed = new Set(found.map(({ head }) => head?.ledger));
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
  const head = decodeHead<TreeHead>((await readBeginning(recordFile(dir))) ?? '');
  const used = head && (await stat(recordFile(dir)));
  return { dir, repo, number, uid: own?.uid, head, usedAt: used?.mtimeMs ?? 0 };
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
