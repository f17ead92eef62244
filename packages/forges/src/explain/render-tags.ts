import { fillTemplate, type KilnImage, placeholdersOf, type TagPlaceholder } from '@kiln/contracts';
import { splitReference } from '@kiln/domain';
import type { Occasion } from './occasion.ts';

const MAX_TAG_CHARS = 128;
const SHORT_SHA_CHARS = 12;

export interface RenderedTags {
  readonly tags: readonly string[];
  /** Why templates were left out. */
  readonly notes: readonly string[];
}

/**
 * Renders the tags of an image. Leaves out templates with a placeholder that has no value on this occasion. On pull requests, also leaves
 * out templates that are the same for all of them: their tags would overwrite those of pushes.
 */
export function renderTags(image: KilnImage, occasion: Occasion, nowMs: number): RenderedTags {
  const values = valuesOf(occasion, nowMs);
  const tags = new Set<string>();
  const notes: string[] = [];
  for (const template of image.tags) {
    const names = placeholdersOf(template);
    const missing = names.find((name) => !values[name as TagPlaceholder]);
    if (missing !== undefined) {
      notes.push(`tag ${template} left out: there is no {${missing}} ${WHERE[occasion.on]}`);
    } else if (occasion.on === 'pull_request' && !names.some((name) => DISTINCT.has(name))) {
      notes.push(`tag ${template} left out: on pull requests, a tag needs {pr}, {sha} or {shortSha}`);
    } else tags.add(shorten(fillTemplate(template, (name) => values[name as TagPlaceholder] ?? '')));
  }
  return { tags: [...tags], notes };
}

const WHERE = { branch: 'on a push to a branch', tag: 'on a tag', pull_request: 'on a pull request' } as const;
const DISTINCT = new Set<string>(['pr', 'sha', 'shortSha']);

/** `branch` has a value for pushed branches only: a fork may name its branch `main`, too. */
function valuesOf(occasion: Occasion, nowMs: number): Readonly<Partial<Record<TagPlaceholder, string>>> {
  const { on, name, pr, commit } = occasion;
  return {
    sha: commit.length >= 40 ? commit : '',
    shortSha: commit.slice(0, SHORT_SHA_CHARS),
    date: new Date(nowMs).toISOString().slice(0, 10).replaceAll('-', ''),
    ...(on === 'branch' && { branch: sanitise(name) }),
    ...(on === 'tag' && { tag: sanitise(name) }),
    ...(pr !== undefined && { pr: String(pr) }),
  };
}

/** Replaces characters that a tag may not contain: it consists of letters, digits, `_`, `.` and `-`, and begins with none of the last two. */
function sanitise(name: string): string {
  return name.replace(/[^A-Za-z0-9_.-]+/g, '-').replace(/^[.-]+/, '');
}

function shorten(reference: string): string {
  const { name, tag } = splitReference(reference);
  if (tag === undefined) return reference;
  return `${name}:${tag.replace(/^[.-]+/, '').slice(0, MAX_TAG_CHARS)}`;
}
