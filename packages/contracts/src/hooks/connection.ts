import { trimEnd } from '@kiln/domain';
import { z } from 'zod';
import { globs } from '../config/glob.ts';
import { repoSettings } from '../config/repo-settings.ts';
import { FORGES, type ForgeName } from '../forge/event.ts';
import { instant, teamName } from '../http/fields.ts';
import { overlapSeconds, PREVIOUS_SECRET_HELP } from './secret-overlap.ts';

/** Part of the URL that a forge calls, so not a secret. */
export const connectionName = z
  .string()
  .regex(/^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/, 'lower-case letters, digits and -, at most 63 long');

export const forgeName = z.enum(FORGES);

/** Root URL of a web site or API, without credentials or query. A trailing slash is removed. */
const baseUrl = z
  .string()
  .max(2048)
  .refine(isBaseUrl, 'an https:// or http:// URL without user, password, ? or #')
  .transform((url) => trimEnd(url, '/'));

function isBaseUrl(text: string): boolean {
  const url = URL.parse(text);
  if (!url || /\s/.test(text)) return false;
  const isPlain = url.username === '' && url.password === '' && url.search === '' && url.hash === '';
  return isPlain && (url.protocol === 'https:' || url.protocol === 'http:');
}

/** A valid value of an HTTP header: visible ASCII. */
const credential = z.string().regex(/^[\x21-\x7e]{1,4096}$/, '1 to 4096 visible ASCII characters');

const signingSecret = z.string().regex(/^[\x20-\x7e]{1,1024}$/, '1 to 1024 printable ASCII characters');

const githubApp = z.strictObject({
  appId: z
    .union([z.int().min(1).transform(String), z.string().regex(/^[A-Za-z0-9.]{1,64}$/)], 'an App’s id or client id')
    .meta({ description: 'The id of the App, or its client id.' }),
  privateKey: z
    .string()
    .max(16_384)
    .regex(
      /^\s*-----BEGIN (?:RSA )?PRIVATE KEY-----[^-]+-----END (?:RSA )?PRIVATE KEY-----\s*$/,
      'an RSA key in PEM format',
    )
    .meta({ description: 'A private key of the App, as GitHub hands it out: PEM.' }),
});

const { team: _, ...settings } = repoSettings.shape;

const connectedRepository = z.strictObject({
  match: globs.meta({ description: 'Patterns of full names, such as acme/app or acme/**.' }),
  ...settings,
  cloneUrl: settings.cloneUrl.meta({
    description:
      'Replaces the forge’s clone URL, for example with an internal address; {repository} stands for the full name.',
  }),
});
export type ConnectedRepository = z.output<typeof connectedRepository>;

/**
 * Body of `PUT /v1/connections/:name`: the whole connection. A secret that is omitted stays as it is, and null removes it.
 */
export const connectionRequest = z
  .strictObject({
    forge: forgeName.meta({ description: '`gitea` also covers Forgejo.' }),
    team: teamName.meta({ description: 'The team of the builds that its webhooks trigger.' }),
    url: baseUrl.optional().meta({
      description:
        'URL of the forge’s web site; repositories are cloned only from there. Default: the forge’s public site; required for Gitea.',
    }),
    apiUrl: baseUrl.optional().meta({ description: 'Root URL of its API. Default: derived from `url`.' }),
    repositories: z.array(connectedRepository).min(1).max(500).meta({
      description: 'The repositories that it may build, and how. The first match applies.',
    }),
    webhookSecret: signingSecret.optional().meta({ description: 'Default: a new one, shown only in this response.' }),
    apiToken: credential.nullish().meta({
      description: 'Token for reporting statuses; without it none are reported. For Bitbucket also user:password.',
    }),
    githubApp: githubApp.nullish().meta({
      description:
        'GitHub: report statuses and clone as an App that is installed in the repositories, where apiToken or gitToken is missing. Kiln makes installation tokens, each for one repository and an hour.',
    }),
    checks: z.boolean().default(false).meta({
      description: 'GitHub: report check runs instead of commit statuses. Requires the token of a GitHub App.',
    }),
    gitToken: credential.nullish().meta({
      description:
        'Token for cloning private repositories, to read `.kiln.yaml` and in trusted builds. Untrusted builds don’t get it.',
    }),
    gitUser: z
      .string()
      .regex(/^[\x21-\x39\x3b-\x7e]{1,255}$/, '1 to 255 visible ASCII characters without :')
      .default('x-access-token')
      .meta({ description: 'User name for gitToken. Bitbucket’s access tokens need x-token-auth.' }),
  })
  .superRefine((request, ctx) => {
    const refuse = (path: (string | number)[], message: string, input: unknown) =>
      ctx.addIssue({ code: 'custom', path, message, input });
    if (request.forge === 'gitea' && request.url === undefined)
      refuse(['url'], 'the URL of the Gitea site', request.url);
    if (request.githubApp && request.forge !== 'github') {
      refuse(['githubApp'], 'nothing, because forge is not github', undefined);
    }
    if (request.checks && request.forge !== 'github') refuse(['checks'], 'false, because forge is not github', true);
    request.repositories.forEach(({ match, cloneUrl }, i) => {
      const isOne = match.length === 1 && !/[*?[{!]/.test(match[0] ?? '');
      if (cloneUrl !== undefined && !isOne && !cloneUrl.includes(REPOSITORY_PLACEHOLDER)) {
        refuse(
          ['repositories', i, 'cloneUrl'],
          `a URL with ${REPOSITORY_PLACEHOLDER}, because match is a pattern`,
          cloneUrl,
        );
      }
    });
  })
  .meta({ id: 'ConnectionRequest' });
export type ConnectionRequest = z.input<typeof connectionRequest>;

export const REPOSITORY_PLACEHOLDER = '{repository}';

/** Body of `POST /v1/connections/:name/rotate-secret`. */
export const connectionSecretRotation = z
  .strictObject({
    webhookSecret: signingSecret.optional().meta({ description: 'Default: a new one, shown only in this response.' }),
    overlapSeconds,
  })
  .meta({ id: 'ConnectionSecretRotation' });
export type ConnectionSecretRotation = z.input<typeof connectionSecretRotation>;

export const connectionView = z
  .strictObject({
    name: connectionName,
    forge: forgeName,
    team: z.string(),
    url: z.string(),
    apiUrl: z.string(),
    repositories: z.array(connectedRepository),
    checks: z.boolean(),
    gitUser: z.string(),
    hasApiToken: z.boolean(),
    hasGitToken: z.boolean(),
    githubApp: z.strictObject({ appId: z.string() }).optional().meta({ description: 'Without its private key.' }),
    hookUrl: z.string().meta({ description: 'The URL for the forge to call.' }),
    createdAt: instant,
    updatedAt: instant,
    previousSecretExpiresAt: instant.optional().meta({ description: PREVIOUS_SECRET_HELP }),
    webhookSecret: z.string().optional().meta({ description: 'Only in the response that generated it.' }),
  })
  .meta({ id: 'Connection' });
export type ConnectionView = z.output<typeof connectionView>;

export const connectionList = z.strictObject({ connections: z.array(connectionView) }).meta({ id: 'ConnectionList' });

const SITES: Readonly<Record<ForgeName, string>> = {
  github: 'https://github.com',
  gitlab: 'https://gitlab.com',
  bitbucket: 'https://bitbucket.org',
  gitea: '',
};

/** Returns the web site and API root of a connection, with defaults for those that it doesn't name. */
export function forgeAddresses(
  forge: ForgeName,
  { url = SITES[forge], apiUrl }: { readonly url?: string | undefined; readonly apiUrl?: string | undefined },
): { readonly url: string; readonly apiUrl: string } {
  return { url, apiUrl: apiUrl ?? apiRoot(forge, url) };
}

function apiRoot(forge: ForgeName, url: string): string {
  switch (forge) {
    case 'github':
      return url === SITES.github ? 'https://api.github.com' : `${url}/api/v3`;
    case 'gitlab':
      return `${url}/api/v4`;
    case 'gitea':
      return `${url}/api/v1`;
    case 'bitbucket':
      return 'https://api.bitbucket.org/2.0';
  }
}
