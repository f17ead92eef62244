import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { FlagError } from '../io/errors.ts';
import { readIgnoreFile } from './ignore-pattern.ts';
import { readFirst } from './read-first.ts';
import { type WalkedContext, walkContext } from './walk.ts';

export interface NamedDirectory {
  readonly name: string;
  /** Absolute path. */
  readonly directory: string;
  /** It is an OCI layout, where no ignore file applies. */
  readonly image?: string;
}

/** Lists a directory that a build names as a further context. BuildKit applies its `.dockerignore`, and so what that excludes isn't sent. @throws UsageError */
export async function walkNamedDirectory({ name, directory, image }: NamedDirectory): Promise<WalkedContext> {
  const stats = await stat(directory).catch(() => undefined);
  if (!stats?.isDirectory())
    throw new FlagError(`--build-context ${name}=…: ${directory} ${stats ? 'is not a directory' : "doesn't exist"}`);
  const file = join(directory, '.dockerignore');
  const ignore = image === undefined ? await readFirst([file]) : undefined;
  return await walkContext(directory, ignore ? readIgnoreFile(ignore.text, file) : [], new Set(['.dockerignore']));
}
