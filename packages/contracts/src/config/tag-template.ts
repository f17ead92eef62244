import { splitReference } from '@kiln/domain';
import { z } from 'zod';
import { tagReference } from '../http/fields.ts';

/** What a tag template may hold, in braces. Each stands only where the event has it: `{tag}` on a tag, `{pr}` on a pull request. */
export const TAG_PLACEHOLDERS = ['branch', 'tag', 'pr', 'sha', 'shortSha', 'date'] as const;
export type TagPlaceholder = (typeof TAG_PLACEHOLDERS)[number];

/** `registry.example.org/team/app:{branch}-{shortSha}`: placeholders stand after the last colon only. */
export const tagTemplate = z
  .string()
  .max(512)
  .superRefine((template, ctx) => {
    const problem = templateProblem(template);
    if (problem) ctx.addIssue({ code: 'custom', message: problem, input: template });
  })
  .meta({
    description: `An image reference whose tag may hold ${TAG_PLACEHOLDERS.map((name) => `{${name}}`).join(', ')}.`,
  });

const PLACEHOLDER = /\{([^{}]*)\}/g;

/** The placeholders of a template, in order; unknown names too. */
export function placeholdersOf(template: string): string[] {
  return [...template.matchAll(PLACEHOLDER)].map(([, name = '']) => name);
}

/** Puts the `value` of each placeholder in its place. */
export function fillTemplate(template: string, value: (name: string) => string): string {
  return template.replace(PLACEHOLDER, (_, name: string) => value(name));
}

function templateProblem(template: string): string | undefined {
  const unknown = placeholdersOf(template).find((name) => !TAG_PLACEHOLDERS.some((known) => known === name));
  if (unknown !== undefined) {
    return `placeholders of ${TAG_PLACEHOLDERS.map((name) => `{${name}}`).join(', ')}; {${unknown}} isn't one`;
  }
  if (placeholdersOf(splitReference(template).name).length > 0) {
    return 'placeholders after the colon only, as in registry.example.org/team/app:{branch}';
  }
  const parsed = tagReference.safeParse(fillTemplate(template, () => 'x'));
  return parsed.success ? undefined : (parsed.error.issues[0]?.message ?? 'an image reference');
}
