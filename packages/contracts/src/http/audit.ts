import { PRINCIPAL_KINDS } from '@kiln/domain';
import { z } from 'zod';
import { instant } from './fields.ts';
import { PROBLEM_CODES } from './problem.ts';

/** Ids of audit entries, in order of time: `<ms since the epoch>-<number>`. */
export const auditId = z.string().regex(/^\d{1,15}-\d{1,10}$/, 'the id of an entry, such as 1767323045000-0');

/** What became of what was tried. `refused`: the credential was no good, or not for this. */
const outcome = z.enum(['done', 'refused', 'failed']);

/** One thing that somebody did, or tried to. Never holds a secret's or a token's value. */
export const auditEntry = z
  .strictObject({
    id: auditId,
    at: instant,
    actor: z.strictObject({
      kind: z.enum(PRINCIPAL_KINDS),
      id: z.string(),
      name: z.string(),
      team: z.string(),
    }),
    action: z.string().meta({ description: 'Operation id of the route, such as `createToken`.' }),
    target: z.string().optional().meta({ description: 'The build, host, token or context that it was done to.' }),
    outcome,
    status: z.int(),
    code: z.enum(PROBLEM_CODES).optional(),
    reason: z.string().optional().meta({ description: 'Why it was refused, or failed.' }),
    details: z.record(z.string(), z.string()).optional(),
    ip: z.string(),
    requestId: z.string(),
  })
  .meta({ id: 'AuditEntry' });
export type AuditEntry = z.output<typeof auditEntry>;

const moment = z.iso.datetime({ offset: true, error: 'a time as RFC 3339 has it, such as 2026-01-02T03:04:05Z' });

/** Query of `GET /v1/audit`. */
export const auditQuery = z.strictObject({
  since: moment.optional().meta({ description: 'Entries from then on.' }),
  until: moment.optional().meta({ description: 'Entries before then.' }),
  after: auditId.optional().meta({ description: 'Entries after this one: the last of the page before.' }),
  limit: z.coerce.number().int().min(1).max(100_000).optional().meta({ description: 'Default: all there are.' }),
  follow: z.stringbool().default(false).meta({ description: 'Go on with new entries as they come, until you leave.' }),
});
