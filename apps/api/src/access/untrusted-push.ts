import { teamName } from '@kiln/contracts';
import type { PushRule } from '@kiln/domain';
import { z } from 'zod';

/** A registry (or Docker Hub account) without wildcards, and a path in which `*` matches within one part and `**` any number of parts. */
const PATTERN = /^[a-zA-Z0-9][a-zA-Z0-9.-]*(?::\d{1,5})?(?:\/[a-z0-9._*-]+)+$/;
const EXPECTED =
  'comma-separated [TEAM=]IMAGE, such as registry.example.org/previews/**, with a full registry name and no tag';

/** Parses the images that untrusted builds of one team, or of all, may push. Empty: none. */
export const untrustedPush = z
  .string()
  .default('')
  .transform((text, ctx): readonly PushRule[] => {
    const parts = text.split(/[\s,]+/).filter((part) => part !== '');
    const rules = parts.map(ruleOf);
    const wrong = parts[rules.indexOf(undefined)];
    if (wrong === undefined) return rules.filter((rule) => rule !== undefined);
    ctx.addIssue({ code: 'custom', message: `${EXPECTED}; got ${JSON.stringify(wrong)}`, input: text });
    return z.NEVER;
  });

function ruleOf(text: string): PushRule | undefined {
  const [, team, pattern = ''] = /^(?:([^=]*)=)?(.*)$/.exec(text) ?? [];
  if (!PATTERN.test(pattern)) return undefined;
  if (team === undefined) return { pattern };
  return teamName.safeParse(team).success ? { team, pattern } : undefined;
}
