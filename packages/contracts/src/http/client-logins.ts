import { parseReference } from '@kiln/domain';
import { z } from 'zod';
import { MAX_CLIENT_LOGINS } from './constants.ts';

/** `host[:port]` as image references name it; `docker.io` is Docker Hub. */
const registry = z
  .string()
  .max(255)
  .refine(isRegistry, 'host[:port] as in an image reference, without scheme and path');

function isRegistry(text: string): boolean {
  return parseReference(`${text}/team/image`)?.domain === text;
}

/** Registries hand out tokens of several KiB. */
const token = z.string().regex(/^[\x21-\x7e]{1,65536}$/, '1 to 65536 visible ASCII characters');

const CREDENTIALS = 'username and password, or identityToken, or registryToken';

/** A login of the client that submits a build, as its Docker configuration has it. */
export const clientLogin = z
  .strictObject({
    registry,
    username: z
      .string()
      .regex(/^[^:\p{Cc}]{1,256}$/u, '1 to 256 characters without : and control characters')
      .optional(),
    password: z
      .string()
      .regex(/^[^\p{Cc}]{1,65536}$/u, '1 to 65536 characters without control characters')
      .optional(),
    identityToken: token.optional(),
    registryToken: token.optional(),
  })
  .superRefine(({ username, password, identityToken, registryToken }, ctx) => {
    const given = [username ?? password, identityToken, registryToken].filter((one) => one !== undefined);
    if (given.length !== 1) ctx.addIssue({ code: 'custom', message: CREDENTIALS });
    else if (username !== undefined && password === undefined)
      ctx.addIssue({ code: 'custom', path: ['password'], message: 'a password, because username is given' });
    else if (password !== undefined && username === undefined)
      ctx.addIssue({ code: 'custom', path: ['username'], message: 'a user name, because password is given' });
  })
  .meta({
    id: 'ClientLogin',
    description: `A login to a registry: ${CREDENTIALS}.`,
  });
export type ClientLogin = z.output<typeof clientLogin>;

/** The field `registryLogins` of a build request. */
export const clientLogins = z
  .array(clientLogin)
  .max(MAX_CLIENT_LOGINS)
  .superRefine((logins, ctx) => {
    const seen = new Set<string>();
    for (const [i, { registry: name }] of logins.entries()) {
      if (seen.has(name)) {
        const message = 'a registry that no other login of the build is for';
        ctx.addIssue({ code: 'custom', path: [i, 'registry'], message, input: name });
      }
      seen.add(name);
    }
  })
  .meta({
    description:
      'Logins of the client to registries that the build names, for its pulls and pushes. They take precedence over stored logins (`PUT /v1/secrets`) and those of hosts. They are sealed before they are stored, never shown again, and deleted when the build ends. Ignored for untrusted builds, and if the server’s `KILN_CLIENT_LOGINS` is `off`; `clientLogins` of the build then says so.',
  });

/** Body of `POST /v1/builds/:id/retry`. */
export const retryRequest = z
  .strictObject({
    registryLogins: clientLogins
      .optional()
      .meta({ description: 'As in a build request: those of the build that is repeated were deleted when it ended.' }),
  })
  .meta({ id: 'RetryRequest' });
export type RetryRequest = z.input<typeof retryRequest>;

/** Why a build doesn't have the logins that its client sent. */
export const IGNORED_LOGINS = ['off', 'untrusted', 'retry'] as const;

/** What is shown of a build's `registryLogins`. */
export const clientLoginsView = z
  .strictObject({
    registries: z.array(z.string()),
    ignored: z.enum(IGNORED_LOGINS).optional().meta({
      description:
        'Why the build does not have them. `off`: the server’s `KILN_CLIENT_LOGINS`; `untrusted`: the build is untrusted; `retry`: they were deleted when the build that it repeats ended.',
    }),
  })
  .meta({ id: 'ClientLogins', description: 'The registries for which the client sent logins.' });
export type ClientLoginsView = z.output<typeof clientLoginsView>;
