import { expandBraces } from '@kiln/domain';
import { z } from 'zod';

const MAX_ALTERNATIVES = 64;

/**
 * A glob for branches, tags, paths and repositories, in the dialect of `matchGlob` (domain): `*` and `?` within a segment, `**` for whole
 * segments, `[a-z]`, `{a,b}`. In a list, a leading `!` excludes what an earlier pattern has matched.
 */
export const glob = z
  .string()
  .min(1)
  .max(256)
  .superRefine((pattern, ctx) => {
    const problem = globProblem(pattern);
    if (problem) ctx.addIssue({ code: 'custom', message: problem, input: pattern });
  });

/** A list of globs; the last one that matches decides, as in a .gitignore file. */
export const globs = z
  .array(glob)
  .min(1)
  .max(64)
  .refine((patterns) => patterns.some((pattern) => !pattern.startsWith('!')), 'at least one pattern without !')
  .meta({
    description:
      'Patterns: * and ? match within a path segment, ** matches whole segments, [a-z] one character, {a,b} alternatives. ' +
      'The last pattern that matches decides; a leading ! excludes.',
  });

function globProblem(pattern: string): string | undefined {
  const body = pattern.replace(/^!/, '');
  if (body === '') return 'a pattern after !';
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what this refuses
  if (/[\\\u0000-\u001f\u007f]/.test(body)) return 'a pattern without backslash or control characters';
  const unbalanced = body.replace(/\[!?[^[\]{}/]+\]|\{[^{}[\]]*\}/g, '');
  if (/[[\]{}]/.test(unbalanced)) return 'brackets and braces that are closed and not nested';
  const count = [...body.matchAll(/\{([^{}]*)\}/g)].reduce((n, [, inner = '']) => n * inner.split(',').length, 1);
  if (count > MAX_ALTERNATIVES) return `braces that expand to at most ${MAX_ALTERNATIVES} patterns`;
  return expandBraces(body).map(segmentsProblem).find(Boolean);
}

function segmentsProblem(pattern: string): string | undefined {
  const segments = pattern.split('/');
  if (pattern.startsWith('/')) return 'a pattern without a leading /';
  if (pattern.endsWith('/')) return `a pattern without a trailing /; use ${pattern}** for everything below`;
  if (segments.some((segment) => segment !== '**' && segment.includes('**')))
    return '** as a whole path segment, as in docs/**/*.md';
  return undefined;
}
