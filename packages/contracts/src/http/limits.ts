import { UNLIMITED } from '@kiln/domain';
import { z } from 'zod';

const limit = z.union([z.int().min(0).max(Number.MAX_SAFE_INTEGER), z.literal(UNLIMITED)]);

const HOST = String.raw`[a-z0-9*][a-z0-9*.-]*|\[[0-9a-f:.]+\]`;
const target = z
  .string()
  .max(512)
  .regex(
    new RegExp(String.raw`^(?:${HOST})(?::\d{1,5})?(?:/[^\s?#]*)?$`),
    'a host in lower case, optionally with port and path, such as registry.example.org/web/**, or * for any',
  );
const targets = z.array(target).max(100);

const fields = {
  concurrentBuilds: limit.meta({ description: 'How many builds hosts may have at the same time; more have to wait.' }),
  queuedBuilds: limit.meta({ description: 'How many builds may wait for a host; more are refused.' }),
  requestsPerMinute: limit,
  logBytes: limit.meta({ description: 'Size of the log of one attempt; output beyond it is omitted.' }),
  contextBytes: limit.meta({
    description: 'Size of an uploaded context: as it is sent, and of all its files together.',
  }),
  artifactBytes: limit.meta({ description: 'Size of a build’s artifact; a larger one fails the build.' }),
  storedBytes: limit.meta({
    description:
      'Size of all that is stored for a team: contexts, logs and artifacts. Beyond it uploads are refused, builds with an artifact fail, and logs are truncated. Only for teams.',
  }),
  registries: targets.meta({
    description:
      'Registries to which images may be pushed: patterns of `host[:port][/path]`, in which `*` matches within a path segment and `**` anything. `*` alone allows all.',
  }),
  gitHosts: targets.meta({
    description: 'Git servers whose repositories may be built, in the same notation as `registries`.',
  }),
};

/** Limits that are set. For missing ones the defaults apply. */
export const limitSettings = z.strictObject(fields).partial().meta({ id: 'LimitSettings' });

/** Body of `PATCH /v1/limits/…`: null resets a limit to its default. */
export const limitChange = z
  .strictObject(Object.fromEntries(Object.entries(fields).map(([name, field]) => [name, field.nullable()])) as Nullable)
  .partial()
  .meta({ id: 'LimitChange' });
export type LimitChange = z.output<typeof limitChange>;
type Nullable = { readonly [K in keyof typeof fields]: z.ZodNullable<(typeof fields)[K]> };

/** The file KILN_LIMITS_FILE: the defaults for each team and each token. */
export const limitsFile = z.strictObject({
  eachTeam: limitSettings.default({}),
  eachToken: limitSettings
    .refine(({ storedBytes }) => typeof storedBytes !== 'number', {
      path: ['storedBytes'],
      error: 'unlimited, because storage is counted by team; set it in eachTeam',
    })
    .default({}),
});

const limits = z.strictObject(fields).meta({ id: 'Limits' });

/** The limits of one team or token, and how much of them is used. */
export const limitView = z
  .strictObject({
    kind: z.enum(['team', 'token']),
    name: z.string().meta({ description: 'Name of the team, or id of the token.' }),
    limits,
    set: limitSettings.meta({ description: 'The limits that are set for it individually.' }),
    running: z.int().meta({ description: 'How many of its builds hosts have.' }),
    queued: z.int().meta({ description: 'How many of its builds wait for a host.' }),
    storedBytes: z.int().optional().meta({
      description: 'Bytes of its contexts, logs and artifacts, including uploads in progress. Absent for a token.',
    }),
  })
  .meta({ id: 'LimitView' });
export type LimitView = z.output<typeof limitView>;

export const ownLimits = z
  .strictObject({
    team: limitView.optional().meta({ description: 'Absent if the credential belongs to no team, or to all.' }),
    token: limitView.optional().meta({ description: 'Absent for the local admin and workers, which have no limits.' }),
  })
  .meta({ id: 'OwnLimits' });
export type OwnLimits = z.output<typeof ownLimits>;

export const limitList = z
  .strictObject({
    eachTeam: limits,
    eachToken: limits,
    set: z.array(limitView).meta({ description: 'Teams and tokens with individual limits.' }),
  })
  .meta({ id: 'LimitList' });
export type LimitList = z.output<typeof limitList>;
