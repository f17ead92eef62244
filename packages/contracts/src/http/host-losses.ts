import { TRUSTS } from '@kiln/domain';
import { z } from 'zod';
import { hostName } from './host-report.ts';

/** What the loss of each host would cost. */
export const hostLosses = z
  .strictObject({
    hosts: z.array(
      z.strictObject({
        name: hostName,
        secondsPerHour: z
          .number()
          .meta({ description: 'How much longer the builds of an hour would run in sum, in seconds.' }),
        builds: z.int().meta({ description: 'How many builds it runs now.' }),
        caches: z
          .array(
            z.strictObject({
              repo: z.string(),
              team: z.string(),
              trust: z.enum(TRUSTS),
              secondsPerHour: z.number(),
              onlyCopy: z.boolean().meta({ description: 'Whether no other host that takes builds has any of it.' }),
              bytes: z.int(),
            }),
          )
          .meta({ description: 'The caches whose loss would cost most, at most 20, the dearest first.' }),
      }),
    ),
  })
  .meta({ id: 'HostLosses' });
export type HostLossView = z.output<typeof hostLosses>['hosts'][number];
