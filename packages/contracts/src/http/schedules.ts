import { BUILD_STATES, TRUSTS } from '@kiln/domain';
import { z } from 'zod';
import { buildRequest, buildSpec } from './build-request.ts';
import { buildId, instant } from './fields.ts';
import { PROBLEM_CODES } from './problem.ts';

const scheduleName = z
  .string()
  .regex(/^[a-z0-9][a-z0-9._-]{0,62}$/, 'lower-case letters, digits and . _ -, at most 63 long')
  .meta({ description: 'Unique within its team.' });

const FIELD = '[0-9A-Za-z*,/?#-]+';
const cron = z
  .string()
  .max(200)
  .regex(
    new RegExp(`^(?:${FIELD} ){4}${FIELD}$`),
    'five fields: minute, hour, day of the month, month, day of the week; such as 0 3 * * 1-5',
  );

const timezone = z
  .string()
  .max(64)
  .refine(isTimezone, 'a time zone of the IANA database, such as Europe/Berlin')
  .meta({ description: 'Time zone of the cron expression, with its daylight saving time.' });

function isTimezone(text: string): boolean {
  try {
    return Intl.DateTimeFormat('en', { timeZone: text }).resolvedOptions().timeZone !== '';
  } catch {
    return false;
  }
}

/** Id of a schedule: a ULID, like ids of builds. */
export const scheduleId = z.string().regex(/^[0-9a-hjkmnp-tv-z]{26}$/, 'a schedule id of 26 characters');

/** Body of `POST /v1/schedules`. */
export const scheduleRequest = z
  .strictObject({
    name: scheduleName,
    cron: cron.meta({ description: 'Minute, hour, day of the month, month, day of the week.' }),
    timezone: timezone.default('UTC'),
    paused: z.boolean().default(false),
    request: buildRequest.meta({
      description:
        'The request of each build, as for `POST /v1/builds`. Its secrets are sealed and stored with the schedule.',
    }),
  })
  .superRefine(({ request: { source, registryLogins } }, ctx) => {
    if (registryLogins !== undefined) {
      const message = 'it to be absent, because a schedule has no client; store logins with kiln registry set';
      ctx.addIssue({ code: 'custom', path: ['request', 'registryLogins'], message });
    }
    if (source.type !== 'upload' || source.digest !== undefined) return;
    const message = 'the digest of a context that was uploaded before, or a git source';
    ctx.addIssue({ code: 'custom', path: ['request', 'source', 'digest'], message, input: undefined });
  })
  .meta({ id: 'ScheduleRequest' });
export type ScheduleRequest = z.input<typeof scheduleRequest>;

/** Body of `PATCH /v1/schedules/:id`. */
export const scheduleChange = z
  .strictObject({ cron, timezone, paused: z.boolean() })
  .partial()
  .meta({ id: 'ScheduleChange' });
export type ScheduleChange = z.output<typeof scheduleChange>;

/** The result of a run. */
export const scheduleRun = z.strictObject({
  dueAt: instant.optional().meta({ description: 'When it was due; absent if it was started by hand.' }),
  at: instant.meta({ description: 'When it was submitted or refused.' }),
  build: buildId.optional(),
  state: z
    .enum(BUILD_STATES)
    .optional()
    .meta({ description: 'Current state of the build; absent if it is no longer stored.' }),
  refused: z
    .strictObject({ code: z.enum(PROBLEM_CODES), message: z.string() })
    .optional()
    .meta({ description: 'Why no build was accepted.' }),
});

export const scheduleView = z
  .strictObject({
    id: scheduleId,
    name: z.string(),
    team: z.string(),
    cron: z.string(),
    timezone: z.string(),
    paused: z.boolean(),
    trust: z.enum(TRUSTS).meta({ description: 'Trust class of its creator and of its builds.' }),
    createdAt: instant,
    createdBy: z.string(),
    nextRunAt: instant.optional().meta({ description: 'Absent while it is paused.' }),
    lastRun: scheduleRun.optional(),
    request: buildSpec,
  })
  .meta({ id: 'Schedule' });
export type ScheduleView = z.output<typeof scheduleView>;

export const scheduleList = z.strictObject({ schedules: z.array(scheduleView) }).meta({ id: 'ScheduleList' });
