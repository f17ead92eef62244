import { z } from 'zod';

const MAX_ALTERNATIVES = 64;

/**
 * A pattern for branches, tags and paths: `*` and `?` stay within one part, `**` stands for whole parts, `[a-z]`, `{a,b}`.
 * A leading `!` takes back what an earlier pattern of the list let in.
 */
export const glob = z
  .string()
  .min(1)
  .max(256)
  .superRefine((pattern, ctx) => {
    const problem = globProblem(pattern);
    if (problem) ctx.addIssue({ code: 'custom', message: problem, input: pattern });
  });

/** The last pattern that matches decides, as in a .gitignore file. */
export const globs = z
  .array(glob)
  .min(1)
  .max(64)
  .refine((patterns) => patterns.some((pattern) => !pattern.startsWith('!')), 'at least one pattern without !')
  .meta({ description: 'Patterns with *, **, ?, [a-z] and {a,b}. The last one that matches decides; ! takes back.' });

/** `a{b,c}` is `ab` and `ac`. Braces aren't nested. */
export function expandBraces(pattern: string): string[] {
  const match = /^([^{]*)\{([^{}]*)\}(.*)$/s.exec(pattern);
  if (!match) return [pattern];
  const [, before = '', inner = '', after = ''] = match;
  const rests = expandBraces(after);
  return inner.split(',').flatMap((one) => rests.map((rest) => before + one + rest));
}

function globProblem(pattern: string): string | undefined {
  const body = pattern.replace(/^!/, '');
  if (body === '') return 'a pattern after !';
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are just what must not get through
  if (/[\\\u0000-\u001f\u007f]/.test(body)) return 'a pattern without backslash or control characters';
  const unbalanced = body.replace(/\[!?[^[\]{}/]+\]|\{[^{}[\]]*\}/g, '');
  if (/[[\]{}]/.test(unbalanced)) return 'brackets and braces that are closed, and not inside one another';
  const count = [...body.matchAll(/\{([^{}]*)\}/g)].reduce((n, [, inner = '']) => n * inner.split(',').length, 1);
  if (count > MAX_ALTERNATIVES) return `braces that make at most ${MAX_ALTERNATIVES} patterns`;
  return expandBraces(body).map(partsProblem).find(Boolean);
}

function partsProblem(pattern: string): string | undefined {
  const parts = pattern.split('/');
  if (pattern.startsWith('/')) return 'a pattern without a leading /';
  if (pattern.endsWith('/')) return `${pattern}** for all that is below it`;
  if (parts.some((part) => part !== '**' && part.includes('**'))) return '** alone between slashes, as in docs/**/*.md';
  return undefined;
}
