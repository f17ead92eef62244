import { splitReference } from '@kiln/domain';
import { z } from 'zod';
import { tagReference } from '../http/fields.ts';

/** The placeholders of tag templates. Some have a value only for certain events: `{tag}` for tags, `{pr}` for pull requests. */
export const TAG_PLACEHOLDERS = ['branch', 'tag', 'pr', 'sha', 'shortSha', 'date'] as const;
export type TagPlaceholder = (typeof TAG_PLACEHOLDERS)[number];

/** A template such as `registry.example.org/team/app:{branch}-{shortSha}`. Placeholders are allowed only in the tag. */
export const tagTemplate = z
  .string()
  .max(512)
  .superRefine((template, ctx) => {
    const problem = templateProblem(template);
    if (problem) ctx.addIssue({ code: 'custom', message: problem, input: template });
  })
  .meta({
    description: `An image reference whose tag may contain ${TAG_PLACEHOLDERS.map((name) => `{${name}}`).join(', ')}.`,
  });

const PLACEHOLDER = /\{([^{}]*)\}/g;

/** Returns the placeholders of a template in order, including unknown ones. */
export function placeholdersOf(template: string): string[] {
  return [...template.matchAll(PLACEHOLDER)].map(([, name = '']) => name);
}

/** Replaces each placeholder by its `value`. */
export function fillTemplate(template: string, value: (name: string) => string): string {
  return template.replace(PLACEHOLDER, (_, name: string) => value(name));
}

function templateProblem(template: string): string | undefined {
  const unknown = placeholdersOf(template).find((name) => !TAG_PLACEHOLDERS.some((known) => known === name));
  if (unknown !== undefined) {
    return `only the placeholders ${TAG_PLACEHOLDERS.map((name) => `{${name}}`).join(', ')}, not {${unknown}}`;
  }
  if (placeholdersOf(splitReference(template).name).length > 0) {
    return 'placeholders only after the colon, as in registry.example.org/team/app:{branch}';
  }
  const parsed = tagReference.safeParse(fillTemplate(template, () => 'x'));
  return parsed.success ? undefined : (parsed.error.issues[0]?.message ?? 'an image reference');
}
