import { teamName } from '@kiln/contracts';
import type { PushRule } from '@kiln/domain';
import { z } from 'zod';

/** A registry (or account of Docker Hub's) spelt out, and a path in which `*` stands within a part, `**` for any. */
const PATTERN = /^[a-zA-Z0-9][a-zA-Z0-9.-]*(?::\d{1,5})?(?:\/[a-z0-9._*-]+)+$/;
const EXPECTED =
  '[TEAM=]IMAGE with commas between, such as registry.example.org/previews/**: the registry spelt out, no tag';

/** Images that untrusted builds may push, of one team's or all. Empty: none. */
export const untrustedPush = z
  .string()
  .default('')
  .transform((text, ctx): readonly PushRule[] => {
    const parts = text.split(/[\s,]+/).filter((part) => part !== '');
    const rules = parts.map(ruleOf);
    const wrong = parts[rules.indexOf(undefined)];
    if (wrong === undefined) return rules.filter((rule) => rule !== undefined);
    ctx.addIssue({ code: 'custom', message: `${EXPECTED}; not ${JSON.stringify(wrong)}`, input: text });
    return z.NEVER;
  });

function ruleOf(text: string): PushRule | undefined {
  const [, team, pattern = ''] = /^(?:([^=]*)=)?(.*)$/.exec(text) ?? [];
  if (!PATTERN.test(pattern)) return undefined;
  if (team === undefined) return { pattern };
  return teamName.safeParse(team).success ? { team, pattern } : undefined;
}
