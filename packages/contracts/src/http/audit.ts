import { PRINCIPAL_KINDS } from '@kiln/domain';
import { z } from 'zod';
import { instant } from './fields.ts';
import { PROBLEM_CODES } from './problem.ts';

/** Id of an audit entry, ordered by time: `<ms since the epoch>-<number>`. */
export const auditId = z.string().regex(/^\d{1,15}-\d{1,10}$/, 'the id of an audit entry, such as 1767323045000-0');

/** `refused`: the credential was invalid or didn't allow the action. */
const outcome = z.enum(['done', 'refused', 'failed']);

/** One action that a caller took or tried. Never contains the value of a secret or token. */
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
    target: z.string().optional().meta({ description: 'The build, host, token or context that it concerns.' }),
    outcome,
    status: z.int(),
    code: z.enum(PROBLEM_CODES).optional(),
    reason: z.string().optional().meta({ description: 'Why it was refused or failed.' }),
    details: z.record(z.string(), z.string()).optional(),
    ip: z.string(),
    requestId: z.string(),
  })
  .meta({ id: 'AuditEntry' });
export type AuditEntry = z.output<typeof auditEntry>;

const moment = z.iso.datetime({ offset: true, error: 'an RFC 3339 time, such as 2026-01-02T03:04:05Z' });

/** Query of `GET /v1/audit`. */
export const auditQuery = z.strictObject({
  since: moment.optional().meta({ description: 'Only entries from this time on.' }),
  until: moment.optional().meta({ description: 'Only entries before this time.' }),
  after: auditId.optional().meta({ description: 'Only entries after this one, the last of the previous page.' }),
  limit: z.coerce.number().int().min(1).max(100_000).optional().meta({ description: 'Default: all entries.' }),
  follow: z
    .stringbool()
    .default(false)
    .meta({ description: 'Continue with new entries until the client disconnects.' }),
});
