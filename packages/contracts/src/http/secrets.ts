import { SECRET_KINDS } from '@kiln/domain';
import { z } from 'zod';
import { instant, secretName, secretValue, teamName } from './fields.ts';

/** Address of a registry or git server. */
const hostAndPort = z
  .string()
  .max(255)
  .regex(
    /^(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*(?::[0-9]{1,5})?$/,
    'host[:port] in lower case, without scheme and path',
  );

const repo = z
  .string()
  .regex(/^[^\s\p{Cc}]{1,512}$/u, 'a repository such as github.com/acme/app, or its URL')
  .meta({ description: 'Only for builds of this repository. Default: for all builds of the team.' });

/** A user name of HTTP basic authentication. */
const username = z.string().regex(/^[^:\p{Cc}]{1,256}$/u, '1 to 256 characters without : and control characters');
/** A value of an HTTP header. */
const headerText = z.string().regex(/^[\x21-\x7e]{1,8192}$/, '1 to 8192 visible ASCII characters');

const where = {
  team: teamName.optional().meta({ description: 'Default: the credential’s own team, else `default`.' }),
  repo: repo.optional(),
  untrustedOk: z.boolean().default(false).meta({
    description:
      'Whether untrusted builds, such as those of pull requests from forks, get it, too. Their authors can then read it.',
  }),
};

/** Body of `PUT /v1/secrets`. */
export const secretOrder = z
  .discriminatedUnion('kind', [
    z.strictObject({
      kind: z.literal('build'),
      name: secretName,
      value: secretValue.refine((value) => value !== '', 'a value that is not empty'),
      ...where,
    }),
    z.strictObject({
      kind: z.literal('registry'),
      host: hostAndPort,
      username,
      password: z.string().regex(/^[^\p{Cc}]{1,65536}$/u, '1 to 65536 characters without control characters'),
      ...where,
    }),
    z.strictObject({
      kind: z.literal('git'),
      host: hostAndPort,
      token: headerText,
      username: username.optional().meta({
        description:
          'For servers that require a certain name, such as `x-token-auth`. Default: x-access-token, which GitHub, GitLab and Gitea accept.',
      }),
      ...where,
    }),
  ])
  .meta({
    id: 'SecretOrder',
    description:
      '`build`: for `RUN --mount=type=secret`. `registry`: a login for pulls and pushes. `git`: a token with which BuildKit and Kiln read repositories.',
  });
export type SecretOrder = z.output<typeof secretOrder>;
export type SecretOrderInput = z.input<typeof secretOrder>;

const kind = z.enum(SECRET_KINDS);
/** A secret's name: for `registry` and `git` the host. */
const anyName = z.string().min(1).max(255);

/** Query of `GET /v1/secrets`. */
export const secretsQuery = z.strictObject({
  team: teamName.optional().meta({ description: 'Default: all teams that the credential can access.' }),
  repo: repo.optional().meta({ description: 'Only those of this repository.' }),
});

/** Query of `DELETE /v1/secrets`. */
export const secretQuery = z.strictObject({
  kind: kind.default('build'),
  name: anyName.meta({ description: 'For `registry` and `git`, the host.' }),
  team: where.team,
  repo: repo.optional().meta({ description: 'Default: the one for all builds of the team.' }),
});

/** A secret as it is shown, without its value, which no route shows. */
export const secretView = z
  .strictObject({
    team: z.string(),
    repo: z.string().optional(),
    kind,
    name: z.string(),
    untrustedOk: z.boolean(),
    masked: z.boolean().meta({ description: 'Whether logs hide the value: false if it is shorter than 4 characters.' }),
    keyId: z.string().meta({ description: 'Id of the key with which it is sealed.' }),
    readable: z.boolean().meta({ description: 'Whether Kiln has that key. If not, builds that need the secret fail.' }),
    updatedAt: instant,
    updatedBy: z.string().meta({ description: 'Name of the last person or token that set the value.' }),
    lastUsedAt: instant
      .optional()
      .meta({ description: 'When a build that got it started, accurate to about a minute.' }),
  })
  .meta({ id: 'Secret' });
export type SecretView = z.output<typeof secretView>;

export const secretList = z.strictObject({ secrets: z.array(secretView) }).meta({ id: 'SecretList' });

const resealCounts = {
  resealed: z.int().meta({ description: 'How many were sealed again with the first key.' }),
  current: z.int().meta({ description: 'How many were already sealed with the first key.' }),
};

/** Response of `POST /v1/secrets/reseal`. */
export const resealReport = z
  .strictObject({
    keyId: z.string().meta({ description: 'Id of the first key, which seals from now on.' }),
    stored: z.strictObject({
      ...resealCounts,
      unreadable: z
        .array(
          z.strictObject({
            ...{ team: z.string(), repo: z.string().optional(), kind, name: z.string() },
            ...{ keyId: z.string(), reason: z.string() },
          }),
        )
        .meta({
          description: 'Secrets that were left as they are: add the key that they name again, or set them again.',
        }),
    }),
    builds: z.strictObject({ ...resealCounts, unreadable: z.int() }).meta({
      description:
        'Secrets that were sent with builds, stored until a day after their end, and those of schedules, connections and webhooks.',
    }),
  })
  .meta({ id: 'ResealReport' });
export type ResealReport = z.output<typeof resealReport>;
