import { teamName } from '@kiln/contracts';
import { ALL_TEAMS, SCOPES, TRUSTS } from '@kiln/domain';
import { z } from 'zod';

/** Accepted signature algorithms: only by private keys, never by a shared secret, and never `none`. */
const ALGORITHMS = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA'] as const;

const LOOPBACK = /^(?:localhost|127(?:\.\d+){3}|\[::1\])$/;

/** Whether the URL is https, or http on this machine. */
export function isSafeUrl(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, hostname, username, hash } = new URL(text);
  return username === '' && hash === '' && (protocol === 'https:' || (protocol === 'http:' && LOOPBACK.test(hostname)));
}

const safeUrl = z.string().refine(isSafeUrl, 'a URL with https:// (http:// on this machine only)');

const pattern = z
  .union([z.string(), z.number(), z.boolean()])
  .transform(String)
  .refine((text) => text !== '', 'a pattern that is not empty');

const rule = z
  .strictObject({
    claims: z
      .record(z.string().min(1), z.union([pattern.transform((one) => [one]), z.array(pattern).min(1)]))
      .refine(
        (claims) => Object.values(claims).some((patterns) => patterns.every((one) => !/^\*+$/.test(one))),
        'at least one claim with a pattern other than *, since otherwise everybody of this issuer would be admitted',
      ),
    team: z.union([teamName, z.literal(ALL_TEAMS)]).optional(),
    scopes: z
      .array(z.enum(SCOPES))
      .min(1)
      .default(() => ['builds:read', 'builds:write', 'logs:read'] as (typeof SCOPES)[number][]),
    trust: z.enum(TRUSTS).default('trusted'),
  })
  .superRefine(({ scopes, team }, ctx) => {
    const isAdmin = scopes.includes('admin');
    if (isAdmin && team !== undefined && team !== ALL_TEAMS) {
      ctx.addIssue({ code: 'custom', path: ['team'], message: 'no team with the scope admin', input: team });
    }
    if (!isAdmin && team === undefined) {
      ctx.addIssue({ code: 'custom', path: ['team'], message: 'a team, or "*" for all of them', input: team });
    }
  })
  .transform(({ team = ALL_TEAMS, ...rest }) => ({ team, ...rest }));

const login = z.strictObject({
  clientId: z.string().min(1),
  /** Path of a file; absent for a public client, which only PKCE protects. */
  clientSecretFile: z.string().min(1).optional(),
  scopes: z.array(z.string().min(1)).default(() => ['openid', 'profile', 'email']),
});

const issuer = z
  .strictObject({
    /** Part of the ids of this issuer's principals. */
    name: z.string().regex(/^[a-z0-9][a-z0-9-]{0,31}$/, 'lower-case letters, digits and -, at most 32 long'),
    issuer: safeUrl,
    /** Required audience of bearer tokens; absent: bearer tokens of this issuer are refused. */
    audience: z
      .union([z.string().min(1), z.array(z.string().min(1)).min(1)])
      .transform((value) => [value].flat())
      .optional(),
    /** Absent: the one of the issuer's discovery document. */
    jwksUri: safeUrl.optional(),
    algorithms: z
      .array(z.enum(ALGORITHMS))
      .min(1)
      .default(() => [...ALGORITHMS]),
    rules: z.array(rule).min(1),
    /** Login for people in the browser. */
    login: login.optional(),
  })
  .superRefine(({ audience, login: asked }, ctx) => {
    if (!audience && !asked) {
      ctx.addIssue({ code: 'custom', path: ['audience'], message: 'an audience, or login', input: audience });
    }
    if (asked && audience?.includes(asked.clientId)) {
      const message = 'a value other than login.clientId, since a browser’s ID token is not a bearer token';
      ctx.addIssue({ code: 'custom', path: ['audience'], message, input: audience });
    }
  });
export type Issuer = z.output<typeof issuer>;

/** The file that `KILN_OIDC_FILE` names. */
export const oidcSettings = z.strictObject({ issuers: z.array(issuer).min(1) }).superRefine(({ issuers }, ctx) => {
  const refuse = (index: number, field: string, message: string) =>
    ctx.addIssue({ code: 'custom', path: ['issuers', index, field], message, input: undefined });
  issuers.forEach(({ name, issuer: url, login: asked }, i) => {
    const before = issuers.slice(0, i);
    if (before.some((other) => other.name === name)) refuse(i, 'name', 'a name that no other issuer has');
    if (before.some((other) => other.issuer === url)) refuse(i, 'issuer', 'an issuer that is not listed twice');
    if (asked && before.some((other) => other.login)) refuse(i, 'login', 'at most one issuer with login');
  });
});
export type OidcSettings = z.output<typeof oidcSettings>;
