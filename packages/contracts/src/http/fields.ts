import { parseReference } from '@kiln/domain';
import { z } from 'zod';
import { MAX_SECRET_BYTES } from './constants.ts';

/** Git transports with which a URL can't become a command or a path on the server. */
const GIT_SCHEMES = ['https:', 'http:', 'git:'];

/** Clone URL of a repository. Refuses `file://`, local paths, `ext::` and anything that git could interpret as an option. */
export const gitUrl = z
  .string()
  .max(2048)
  .superRefine((value, ctx) => {
    const problem = gitUrlProblem(value);
    if (problem) ctx.addIssue({ code: 'custom', message: problem, input: value });
  })
  .meta({
    description:
      'https://, http:// or git:// URL without user or password; pass credentials as a secret GIT_AUTH_TOKEN.',
  });

const EXPECTED_URL = 'a URL with https://, http:// or git://';

function gitUrlProblem(value: string): string | undefined {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what this refuses
  if (/[\s\u0000-\u001f\u007f]/.test(value)) return `${EXPECTED_URL}, without white space or control characters`;
  if (!URL.canParse(value)) return EXPECTED_URL;
  const url = new URL(value);
  if (!GIT_SCHEMES.includes(url.protocol)) return EXPECTED_URL;
  if (url.username || url.password) return `${EXPECTED_URL}, without user or password`;
  if (url.hash || url.search) return `${EXPECTED_URL}, without # or ?; use the fields ref and subdir`;
  if (url.hostname.startsWith('-') || url.pathname.length < 2) return `${EXPECTED_URL} that names a repository`;
  return undefined;
}

/** A ref as `git check-ref-format` allows it, which doesn't begin with a dash. */
export const gitRef = z
  .string()
  .max(255)
  .regex(
    // biome-ignore lint/suspicious/noControlCharactersInRegex: same as git check-ref-format
    /^(?![-/.])(?!.*(?:\.\.|@\{|\/\/|\/\.|\.lock(?:\/|$)))[^\u0000-\u0020\u007f~^:?*[\\]+(?<![./])$/,
    'a branch, tag, full ref or commit that git check-ref-format allows, not beginning with -',
  );

/** A relative path below the context, with `/` as separator, without `..` and a leading dash, which buildx would interpret as a flag. */
export const relativePath = z
  .string()
  .min(1)
  .max(1024)
  .refine(
    (path) =>
      !/^[-/]/.test(path) &&
      !path.includes('\\') &&
      // buildx would download it.
      !path.includes('://') &&
      // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what this refuses
      !/[\u0000-\u001f\u007f#]/.test(path) &&
      !path.split('/').includes('..'),
    'a path relative to the context, without .., leading / or -, ://, backslash, # or control characters',
  );

export const tagReference = z
  .string()
  .max(512, { abort: true })
  .refine(
    (text) => !text.includes('@') && parseReference(text) !== undefined,
    'an image reference [registry[:port]/]name[:tag], the name in lower case',
  );

/** Digest of an uploaded context tar. */
export const contextDigest = z.string().regex(/^sha256:[0-9a-f]{64}$/, 'sha256: and 64 hexadecimal digits');

/** Id of a build: a ULID of 26 characters of Crockford base 32, in lower case, ordered by time of acceptance. */
export const buildId = z.string().regex(/^[0-9a-hjkmnp-tv-z]{26}$/, 'a build id of 26 characters');

export const teamName = z
  .string()
  .regex(/^[a-z0-9][a-z0-9-]{0,62}$/, 'lower-case letters, digits and -, at most 63 long');

export const instant = z.iso.datetime().meta({ description: 'RFC 3339, UTC' });

/** The value of a secret, limited to the size that BuildKit accepts. */
export const secretValue = z
  .string()
  .refine((value) => utf8Bytes(value) <= MAX_SECRET_BYTES, `at most ${MAX_SECRET_BYTES} bytes`);

function utf8Bytes(text: string): number {
  return new TextEncoder().encode(text).length;
}

export const secretName = z
  .string()
  .regex(/^[A-Za-z_][A-Za-z0-9_.:-]{0,127}$/, 'the name of a secret: a letter or _, then letters, digits, _ . : -');
