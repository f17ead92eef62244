import type { ForgeName } from '@kiln/contracts';
import { bitbucket } from './bitbucket/bitbucket.ts';
import type { Forge } from './forge.ts';
import { gitea } from './gitea/gitea.ts';
import { github } from './github/github.ts';
import { gitlab } from './gitlab/gitlab.ts';

const BY_NAME: Readonly<Record<ForgeName, Forge>> = { github, gitlab, gitea, bitbucket };

export function forge(name: ForgeName): Forge {
  return BY_NAME[name];
}

/** Guesses which forge a payload is from. Gitea's look like GitHub's, but only GitHub's have node ids. */
export function guessForge(json: unknown): ForgeName | undefined {
  if (typeof json !== 'object' || json === null) return undefined;
  const fields: Record<string, unknown> = { ...json };
  if (typeof fields.object_kind === 'string') return 'gitlab';
  if (fields.pullrequest !== undefined || (fields.push !== undefined && fields.repository !== undefined)) {
    return 'bitbucket';
  }
  if (typeof fields.repository !== 'object' || fields.repository === null) {
    return fields.zen === undefined ? undefined : 'github';
  }
  return Object.hasOwn(fields.repository, 'node_id') ? 'github' : 'gitea';
}
