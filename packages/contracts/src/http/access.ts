import { ALL_TEAMS, PRINCIPAL_KINDS, SCOPES, TRUSTS } from '@kiln/domain';
import { z } from 'zod';
import { instant, teamName } from './fields.ts';

const scope = z.enum(SCOPES);
const trust = z.enum(TRUSTS);
const teamOrAll = z.string().meta({ description: 'A team, or `*` for all teams.' });

/** Id of a token: a ULID, like ids of builds, ordered by time. */
export const tokenId = z.string().regex(/^[0-9a-hjkmnp-tv-z]{26}$/, 'a token id of 26 characters');

const MAX_LIFE_SECONDS = 10 * 366 * 24 * 3_600;

/** Body of `POST /v1/tokens`. */
export const tokenRequest = z
  .strictObject({
    kind: z.enum(['api', 'worker']).default('api').meta({
      description: '`worker`: only for workers to join, read contexts and store artifacts.',
    }),
    name: z
      .string()
      .regex(/^[^\p{Cc}]{1,100}$/u, '1 to 100 characters without control characters')
      .meta({ description: 'Name for people to read: who or what uses it.' }),
    team: z
      .union([teamName, z.literal(ALL_TEAMS)])
      .optional()
      .meta({
        description: 'The team whose builds it can access, or `*` for all. Required unless a scope is `admin`.',
      }),
    scopes: z.array(scope).max(SCOPES.length).default([]).meta({ description: '`admin` includes all others.' }),
    trust: trust.default('trusted').meta({
      description:
        '`untrusted`: its builds get no secrets, can’t load images, and push only what a rule of the server allows.',
    }),
    expiresInSeconds: z
      .int()
      .min(60)
      .max(MAX_LIFE_SECONDS)
      .nullable()
      .default(null)
      .meta({ description: 'null: valid until it is revoked.' }),
  })
  .superRefine((request, ctx) => {
    const refuse = (path: keyof typeof request, message: string) =>
      ctx.addIssue({ code: 'custom', path: [path], message, input: request[path] });
    if (request.kind === 'worker') {
      if (request.scopes.length > 0) refuse('scopes', 'none, because kind is worker');
      if (request.team !== undefined) refuse('team', 'none, because kind is worker, and a host serves all teams');
      if (request.trust !== 'trusted') refuse('trust', '"trusted", because kind is worker');
    } else if (request.scopes.length === 0) {
      refuse('scopes', 'at least one scope');
    } else if (request.scopes.includes('admin')) {
      if (request.team !== undefined && request.team !== ALL_TEAMS) refuse('team', 'none, because a scope is admin');
    } else if (request.team === undefined) {
      refuse('team', 'a team, or "*" for all teams');
    }
  })
  .meta({ id: 'TokenRequest' });
export type TokenRequest = z.input<typeof tokenRequest>;

export const tokenView = z
  .strictObject({
    id: tokenId,
    kind: z.enum(['api', 'worker']),
    name: z.string(),
    team: teamOrAll,
    scopes: z.array(scope),
    trust,
    createdAt: instant,
    createdBy: z.string().meta({ description: 'Name of its creator.' }),
    expiresAt: instant.optional(),
    lastUsedAt: instant.optional().meta({ description: 'Accurate to about a minute.' }),
  })
  .meta({ id: 'Token' });
export type TokenView = z.output<typeof tokenView>;

export const tokenList = z.strictObject({ tokens: z.array(tokenView) }).meta({ id: 'TokenList' });

export const createdToken = z
  .strictObject({
    ...tokenView.shape,
    token: z.string().meta({ description: 'The token itself, shown only once: Kiln stores only its hash.' }),
  })
  .meta({ id: 'CreatedToken' });
export type CreatedToken = z.output<typeof createdToken>;

/** Query of `GET /auth/login`. */
export const loginQuery = z.strictObject({
  returnTo: z.string().default('/').meta({ description: 'Path of this site to return to after the login.' }),
});

/** Query of the routes `/auth/cli`. */
export const cliLoginQuery = z.strictObject({
  code: z
    .string()
    .regex(/^[0-9a-f]{64}$/, 'a code of 64 hexadecimal digits')
    .meta({
      description: 'SHA-256 of the token that the command has made and keeps, in hexadecimal.',
    }),
  name: z
    .string()
    .regex(/^[^\p{Cc}]{1,100}$/u, '1 to 100 characters without control characters')
    .optional()
    .meta({ description: 'Name of the machine on which the command runs, for the person who approves.' }),
});

export const cliLoginView = z
  .strictObject({
    approved: z.boolean(),
    page: z.string().meta({ description: 'URL of the page to approve it, without its query.' }),
  })
  .meta({ id: 'CliLogin' });
export type CliLoginView = z.output<typeof cliLoginView>;
/** Body of `POST /auth/session`: exactly one of them. */
export const sessionRequest = z
  .strictObject({
    token: z.string().min(1).max(16_384).optional().meta({ description: 'A bearer token of a user.' }),
    code: z
      .string()
      .min(1)
      .max(200)
      .optional()
      .meta({ description: 'A code from `POST /auth/codes`, which works once.' }),
  })
  .superRefine((request, ctx) => {
    if ((request.token === undefined) === (request.code === undefined)) {
      ctx.addIssue({ code: 'custom', path: ['token'], message: 'either a token or a code', input: request.token });
    }
  })
  .meta({ id: 'SessionRequest' });

export const loginCode = z
  .strictObject({
    code: z.string().meta({ description: 'Logs in a browser once: open `/#login=CODE` of this server.' }),
    expiresAt: instant,
  })
  .meta({ id: 'LoginCode' });
export type LoginCode = z.output<typeof loginCode>;

export const loginMethods = z
  .strictObject({
    token: z.literal(true).meta({ description: 'A token can always be exchanged for a session.' }),
    oidc: z
      .strictObject({ name: z.string() })
      .optional()
      .meta({ description: 'The issuer of `GET /auth/login`; absent if none is configured.' }),
  })
  .meta({ id: 'LoginMethods' });
export type LoginMethods = z.output<typeof loginMethods>;

export const whoamiView = z
  .strictObject({
    kind: z.enum(PRINCIPAL_KINDS),
    id: z.string(),
    name: z.string(),
    team: teamOrAll,
    scopes: z.array(scope),
    trust,
    expiresAt: instant.optional(),
  })
  .meta({ id: 'Whoami' });
export type WhoamiView = z.output<typeof whoamiView>;
