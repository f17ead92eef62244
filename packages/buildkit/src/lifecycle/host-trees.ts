import { mkdir, readdir, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { Trust } from '@kiln/domain';
import type Docker from 'dockerode';
import type { Logger } from '../engine/logger.ts';
import { RunOwner } from '../run/run-owner.ts';
import { toolPaths, writeDeadline, writeToolScripts } from '../tool/tool-scripts.ts';
import { domainDir, type FoundTree, findTrees } from '../trees/find-trees.ts';
import { TreeBudget } from '../trees/tree-budget.ts';
import { domainOf } from './builder-names.ts';
import type { BuilderOptions } from './builder-options.ts';
import { defaultTreeBudget, splitBudget } from './cache-budget.ts';
import { toolContainer } from './start-builder.ts';

/** Covers the removal, after which nothing runs. */
const FENCE_MS = 120_000;

export interface HostTreesOptions {
  readonly scratchDir: string;
  readonly trust?: Trust;
  readonly treeBudgetBytes?: number;
  readonly log: Logger;
}

/** Divides the budget of working trees between the trust classes, and counts the trees that are on the disk already. */
export async function treeBudgets(options: HostTreesOptions): Promise<Record<Trust, TreeBudget>> {
  const { scratchDir, trust, log } = options;
  await mkdir(scratchDir, { recursive: true, mode: 0o700 });
  const bytes = options.treeBudgetBytes ?? (await defaultTreeBudget(scratchDir));
  const split = splitBudget(bytes);
  const found: Record<Trust, FoundTree[]> = { trusted: [], untrusted: [] };
  const name = basename(scratchDir);
  for (const each of await readdir(dirname(scratchDir))) {
    if (each !== name && !each.startsWith(`${name}-`)) continue;
    const ofClass = each.startsWith(`${name}-untrusted`) ? 'untrusted' : 'trusted';
    found[ofClass].push(...(await findTrees(toolPaths(join(dirname(scratchDir), each)).trees)));
  }
  // A class that isn't built for any more has no room.
  const limits = trust === undefined ? split : { trusted: 0, untrusted: 0, [trust]: bytes };
  const budget = (one: Trust) => new TreeBudget(limits[one], found[one], log);
  const budgets = { trusted: budget('trusted'), untrusted: budget('untrusted') };
  for (const each of Object.values(budgets)) await each.trim();
  return budgets;
}

/** Removes the working trees of a domain whose builder isn't running, with their times. @throws EngineError @throws the file system's errors */
export async function removeTrees(options: BuilderOptions, engine: Docker): Promise<void> {
  const { scratchDir, treeBudget } = options;
  const domain = domainOf(options);
  const paths = toolPaths(scratchDir);
  if (domain === undefined) return;
  const dir = domainDir(paths.trees, domain);
  try {
    await rm(dir, { recursive: true, force: true });
  } catch {
    // Only root may remove what belongs to the trees' users, and this process needn't be root. None of their processes is left.
    await writeToolScripts(scratchDir);
    await writeDeadline(scratchDir, Date.now() + FENCE_MS);
    const tool = toolContainer(options, engine);
    await tool.recreate();
    try {
      await new RunOwner(tool, paths).remove(dir);
    } finally {
      await tool.close();
    }
  }
  treeBudget?.forget(dir);
}
