import { MAX_SECRET_BYTES } from './constants.ts';
import { secretValue } from './fields.ts';

/** Length of the largest secret in base64. */
export const MAX_BASE64_CHARS = 4 * Math.ceil(MAX_SECRET_BYTES / 3);

/** Canonical base64, so that equal bytes are equal texts. */
const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/;

interface SecretProblem {
  readonly path: PropertyKey[];
  readonly expected: string;
  /** Never a value. */
  readonly input: unknown;
}

/** Returns what is wrong with the values of a request's secrets. */
export function secretProblems(request: {
  readonly secrets: Readonly<Record<string, string>>;
  readonly binarySecrets?: readonly string[] | undefined;
}): SecretProblem[] {
  const { secrets, binarySecrets = [] } = request;
  const texts = Object.entries(secrets).flatMap(([id, value]): SecretProblem[] => {
    if (binarySecrets.includes(id) || secretValue.safeParse(value).success) return [];
    return [{ path: ['secrets', id], expected: `at most ${MAX_SECRET_BYTES} bytes`, input: undefined }];
  });
  const binary = binarySecrets.flatMap((id, i): SecretProblem[] => {
    const value = Object.hasOwn(secrets, id) ? secrets[id] : undefined;
    if (value === undefined) return [{ path: ['binarySecrets', i], expected: 'an id in secrets', input: id }];
    const isBase64 = value.length % 4 === 0 && BASE64.test(value);
    const expected = 'base64, because binarySecrets has the id';
    return isBase64 ? [] : [{ path: ['secrets', id], expected, input: undefined }];
  });
  return [...texts, ...binary];
}
