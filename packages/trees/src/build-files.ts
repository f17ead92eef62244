import type { EntryTree } from './entry-tree.ts';
import { quoted } from './tar-fault.ts';

/** Largest Dockerfile, and largest ignore file, bytes. They are read into memory; BuildKit takes no messages of more than 16 MiB. */
export const MAX_BUILD_FILE_BYTES = 4 * 1024 * 1024;

/** The files that a build reads before its steps run. Real paths in the tree. */
export interface BuildFiles {
  readonly dockerfile: string;
  /** The Dockerfile's own, otherwise the context's; undefined if there is none. */
  readonly ignoreFile: string | undefined;
}

/** The Dockerfile is missing, leads out of the tree, or is too large, like perhaps its ignore file. */
export class NoBuildFile extends Error {
  readonly code: 'missing' | 'outside' | 'too_large';
  /** The requested path. */
  readonly path: string;
  /** What was found instead: `a symbolic link …`. */
  readonly got: string;

  constructor(code: NoBuildFile['code'], path: string, got: string) {
    super(`${path}: ${got}`);
    this.name = 'NoBuildFile';
    this.code = code;
    this.path = path;
    this.got = got;
  }
}

/**
 * Finds the Dockerfile and its ignore file like buildx, but in the tree as it was read and verified: follows links that stay inside. An ignore file
 * that leads out is ignored, as by BuildKit. @throws NoBuildFile
 */
export function buildFiles(tree: EntryTree, dockerfile: string): BuildFiles {
  const found = tree.resolve(dockerfile);
  if (found.type === 'outside') {
    const how =
      found.link === dockerfile ? 'a symbolic link' : `a path through the symbolic link ${quoted(found.link)}`;
    throw new NoBuildFile('outside', dockerfile, `${how} that leads out of the context`);
  }
  const path = fileAt(tree, dockerfile);
  if (path === undefined) throw new NoBuildFile('missing', dockerfile, 'no file of this name');
  const ignoreFile = fileAt(tree, `${dockerfile}.dockerignore`) ?? fileAt(tree, '.dockerignore');
  return { dockerfile: path, ignoreFile };
}

function fileAt(tree: EntryTree, path: string): string | undefined {
  const found = tree.resolve(path);
  return found.type === 'found' && found.node.type === 'file' ? found.path : undefined;
}
