import { CHECK_AREAS, CHECK_STATUSES } from '@kiln/domain';
import { z } from 'zod';

/** The result of one check of the pool. */
export const checkView = z
  .strictObject({
    area: z.enum(CHECK_AREAS),
    subject: z.string().meta({ description: 'What was checked: a host, a setting, a registry.' }),
    status: z.enum(CHECK_STATUSES).meta({
      description:
        '`warning`: it works, but something should be done; `problem`: builds fail, wait or can be lost; `unknown`: it could not be checked.',
    }),
    found: z.string(),
    advice: z.string().optional().meta({ description: 'What to do, unless it is `ok`.' }),
  })
  .meta({ id: 'Check' });
export type CheckView = z.output<typeof checkView>;

/** Answer of `GET /v1/checks`. */
export const checkList = z.strictObject({ checks: z.array(checkView) }).meta({ id: 'CheckList' });
