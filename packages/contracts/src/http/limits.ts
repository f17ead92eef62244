import { UNLIMITED } from '@kiln/domain';
import { z } from 'zod';

const limit = z.union([z.int().min(0).max(Number.MAX_SAFE_INTEGER), z.literal(UNLIMITED)]);

const HOST = String.raw`[a-z0-9*][a-z0-9*.-]*|\[[0-9a-f:.]+\]`;
const target = z
  .string()
  .max(512)
  .regex(
    new RegExp(String.raw`^(?:${HOST})(?::\d{1,5})?(?:/[^\s?#]*)?$`),
    'a host in lower case, perhaps with port and path, such as registry.example.org/web/**; * for any',
  );
const targets = z.array(target).max(100);

const fields = {
  concurrentBuilds: limit.meta({ description: 'Builds that hosts have at the same time; further ones wait.' }),
  queuedBuilds: limit.meta({ description: 'Builds that wait for a host; further ones are refused.' }),
  requestsPerMinute: limit,
  logBytes: limit.meta({ description: 'Of one attempt; what is over it is left out of the log.' }),
  contextBytes: limit.meta({ description: 'Of an uploaded context, as it is sent.' }),
  artifactBytes: limit.meta({ description: 'Of a build’s artifact; one that is larger fails the build.' }),
  storedBytes: limit.meta({
    description:
      'Of all that is stored of a team: contexts, logs and artifacts. Over it uploads are refused, builds with an artifact fail, and logs are cut short. Teams only.',
  }),
  registries: targets.meta({ description: 'Where images may be pushed to; `*` is everywhere.' }),
  gitHosts: targets.meta({ description: 'Whose repositories may be built; `*` is everybody’s.' }),
};

/** Limits that somebody has set; those that are missing are as they are for everybody. */
export const limitSettings = z.strictObject(fields).partial().meta({ id: 'LimitSettings' });

/** Body of `PATCH /v1/limits/…`: null takes a setting back. */
export const limitChange = z
  .strictObject(Object.fromEntries(Object.entries(fields).map(([name, field]) => [name, field.nullable()])) as Nullable)
  .partial()
  .meta({ id: 'LimitChange' });
export type LimitChange = z.output<typeof limitChange>;
type Nullable = { readonly [K in keyof typeof fields]: z.ZodNullable<(typeof fields)[K]> };

/** The file of KILN_LIMITS_FILE: what each team and each token has, unless something is set for it by itself. */
export const limitsFile = z.strictObject({
  eachTeam: limitSettings.default({}),
  eachToken: limitSettings
    .refine(({ storedBytes }) => typeof storedBytes !== 'number', {
      path: ['storedBytes'],
      error: 'unlimited: what is stored is counted by team, set it in eachTeam',
    })
    .default({}),
});

const limits = z.strictObject(fields).meta({ id: 'Limits' });

/** What holds for one team or token, and how much of it is taken. */
export const limitView = z
  .strictObject({
    kind: z.enum(['team', 'token']),
    name: z.string().meta({ description: 'Of the team; id of the token.' }),
    limits,
    set: limitSettings.meta({ description: 'What is set for it by itself.' }),
    running: z.int().meta({ description: 'Builds that hosts have.' }),
    queued: z.int().meta({ description: 'Builds that wait for a host.' }),
    storedBytes: z.int().optional().meta({
      description: 'Bytes of its contexts, logs and artifacts, uploads under way among them. Absent for a token.',
    }),
  })
  .meta({ id: 'LimitView' });
export type LimitView = z.output<typeof limitView>;

export const ownLimits = z
  .strictObject({
    team: limitView.optional().meta({ description: 'Absent for who is of no team, or of all.' }),
    token: limitView.optional().meta({ description: 'Absent for the local admin and workers: nothing limits them.' }),
  })
  .meta({ id: 'OwnLimits' });
export type OwnLimits = z.output<typeof ownLimits>;

export const limitList = z
  .strictObject({
    eachTeam: limits,
    eachToken: limits,
    set: z.array(limitView).meta({ description: 'Those for whom something is set by itself.' }),
  })
  .meta({ id: 'LimitList' });
export type LimitList = z.output<typeof limitList>;
