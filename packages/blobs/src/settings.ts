import { readFileSync } from 'node:fs';
import { InvalidEnvironment, valueOrFile } from '@kiln/runtime';
import { z } from 'zod';
import type { S3Options } from './s3/s3-options.ts';

const PATH = /^[A-Za-z0-9_-][A-Za-z0-9._-]*(?:\/[A-Za-z0-9_-][A-Za-z0-9._-]*)*$/;
const MAX_PREFIX_CHARS = 200;

/** Environment variables of an S3 store, for every process that opens the blob store. */
export const s3Env = {
  KILN_S3_BUCKET: z
    .string()
    .regex(
      /^[A-Za-z0-9][A-Za-z0-9._-]{1,61}[A-Za-z0-9]$/,
      'the name of a bucket: 3 to 63 letters, digits, ".", "-" and "_"',
    )
    .optional()
    .describe('keeps blobs in this bucket of an S3 store instead of a directory ([deploy.md](deploy.md#blobs-in-s3))'),
  KILN_S3_PREFIX: z
    .string()
    .max(MAX_PREFIX_CHARS, `at most ${MAX_PREFIX_CHARS} characters`)
    .regex(PATH, 'names of letters, digits, ".", "_" and "-", separated by "/", without one at the ends')
    .optional()
    .describe('put before the keys of all objects, so that several pools can share a bucket'),
  KILN_S3_ENDPOINT: z
    .url({ protocol: /^https?$/, error: 'an http:// or https:// URL' })
    .refine(hasOnlyAPlace, 'a URL without user, password, query and fragment')
    .optional()
    .describe('the URL of the S3 store, whose buckets are addressed by path; without it AWS'),
  KILN_S3_REGION: z.string().default('us-east-1').describe('the region; most stores other than AWS accept the default'),
  KILN_S3_CA_FILE: z
    .string()
    .optional()
    .describe(
      'certificates in PEM of the authorities that `KILN_S3_ENDPOINT` may have its own from; without it the usual ones',
    ),
  KILN_S3_ACCESS_KEY_ID: z
    .string()
    .optional()
    .describe(
      'the access key; without it the AWS SDK looks for credentials: in `AWS_…` variables, files, and the machine’s role',
    ),
  KILN_S3_SECRET_ACCESS_KEY: z.string().optional().describe('the secret of `KILN_S3_ACCESS_KEY_ID`'),
  KILN_S3_SECRET_ACCESS_KEY_FILE: z.string().optional().describe('a file that contains `KILN_S3_SECRET_ACCESS_KEY`'),
};

/** A password in it would be shown in errors. */
function hasOnlyAPlace(text: string): boolean {
  // What isn't a URL is refused for that.
  if (!URL.canParse(text)) return true;
  const { username, password, search, hash } = new URL(text);
  return `${username}${password}${search}${hash}` === '';
}

type S3Env = z.output<z.ZodObject<typeof s3Env>>;
const NEEDS_BUCKET = (Object.keys(s3Env) as (keyof S3Env)[]).filter(
  (name) => name !== 'KILN_S3_BUCKET' && name !== 'KILN_S3_REGION',
);

/**
 * Turns the variables into the options of an S3 store; undefined if blobs aren't in one.
 * @param spoolDir where uploads are kept while they arrive
 * @throws InvalidEnvironment
 */
export function s3Options(env: S3Env, spoolDir: string): S3Options | undefined {
  const { KILN_S3_BUCKET: bucket, KILN_S3_ACCESS_KEY_ID: accessKeyId } = env;
  if (bucket === undefined) {
    const given = NEEDS_BUCKET.find((name) => env[name] !== undefined);
    if (given === undefined) return undefined;
    throw new InvalidEnvironment(`KILN_S3_BUCKET: got nothing, expected the name of a bucket, because ${given} is set`);
  }
  const hasSecret = env.KILN_S3_SECRET_ACCESS_KEY !== undefined || env.KILN_S3_SECRET_ACCESS_KEY_FILE !== undefined;
  if (hasSecret && accessKeyId === undefined) {
    throw new InvalidEnvironment(
      'KILN_S3_ACCESS_KEY_ID: got nothing, expected the key that KILN_S3_SECRET_ACCESS_KEY belongs to',
    );
  }
  const endpoint = env.KILN_S3_ENDPOINT;
  return {
    bucket,
    prefix: env.KILN_S3_PREFIX ?? '',
    endpoint,
    region: env.KILN_S3_REGION,
    ca: caOf(env.KILN_S3_CA_FILE, endpoint),
    credentials: accessKeyId === undefined ? undefined : { accessKeyId, secretAccessKey: secretOf(env) },
    spoolDir,
  };
}

function secretOf({ KILN_S3_SECRET_ACCESS_KEY, KILN_S3_SECRET_ACCESS_KEY_FILE }: S3Env): string {
  return valueOrFile('KILN_S3_SECRET_ACCESS_KEY', KILN_S3_SECRET_ACCESS_KEY, KILN_S3_SECRET_ACCESS_KEY_FILE);
}

function caOf(file: string | undefined, endpoint: string | undefined): string | undefined {
  if (file === undefined) return undefined;
  const got = (why: string) => new InvalidEnvironment(`KILN_S3_CA_FILE: got ${JSON.stringify(file)}, expected ${why}`);
  if (endpoint?.startsWith('https:') !== true) throw got('it to be unset unless KILN_S3_ENDPOINT is an https:// URL');
  let pem: string;
  try {
    pem = readFileSync(file, 'utf8');
  } catch (error) {
    throw got(`a readable file (${(error as Error).message})`);
  }
  if (!pem.includes('-----BEGIN CERTIFICATE-----')) throw got('a file with certificates in PEM');
  return pem;
}
