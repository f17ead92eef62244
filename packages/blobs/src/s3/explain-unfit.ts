import { BlobStoreUnavailable, BlobStoreUnfit } from '../errors.ts';
import { statusOf } from './s3-errors.ts';
import type { S3Options } from './s3-options.ts';

/** Explains by the settings why a store can't be used. */
export function explainUnfit(error: unknown, options: S3Options): BlobStoreUnfit {
  const { message, cause } = error as Error;
  const { setting, got, expected } = settingOf(error instanceof BlobStoreUnavailable ? cause : error, options);
  return new BlobStoreUnfit(`${setting}: got ${got}, expected ${expected} (${message})`, { cause: error });
}

interface Wrong {
  readonly setting: string;
  readonly got: string;
  readonly expected: string;
}

function settingOf(cause: unknown, { bucket, endpoint, region, ca, credentials }: S3Options): Wrong {
  const { name, code } = (cause ?? {}) as { name?: string; code?: string };
  const where = endpoint ?? 'AWS';
  const theBucket = { setting: 'KILN_S3_BUCKET', got: JSON.stringify(bucket) };
  const theKey = {
    setting: 'KILN_S3_ACCESS_KEY_ID',
    got: credentials ? JSON.stringify(credentials.accessKeyId) : 'nothing',
  };
  switch (name) {
    case 'NoSuchBucket':
    case 'NotFound':
      return { ...theBucket, expected: `a bucket that exists in ${where}` };
    case 'CredentialsProviderError':
    case 'TokenProviderError':
      return { ...theKey, expected: 'an access key, or credentials that the AWS SDK finds' };
    case 'InvalidAccessKeyId':
      return { ...theKey, expected: `an access key that ${where} knows` };
    case 'SignatureDoesNotMatch':
      return {
        setting: 'KILN_S3_SECRET_ACCESS_KEY',
        got: 'a value that is not shown',
        expected: 'the secret of the access key',
      };
    case 'PermanentRedirect':
    case 'AuthorizationHeaderMalformed':
    case 'IllegalLocationConstraintException':
      return { setting: 'KILN_S3_REGION', got: JSON.stringify(region), expected: `the region of bucket ${bucket}` };
  }
  const status = statusOf(cause);
  if (status === 401 || status === 403) {
    return { ...theKey, expected: `credentials that may read, write, list and delete in bucket ${bucket}` };
  }
  const theEndpoint = {
    setting: 'KILN_S3_ENDPOINT',
    got: endpoint === undefined ? 'nothing' : JSON.stringify(endpoint),
  };
  if (/CERT|SELF_SIGNED|UNABLE_TO_(GET|VERIFY)|ERR_TLS/.test(code ?? '')) {
    const setting =
      ca === undefined
        ? { setting: 'KILN_S3_CA_FILE', got: 'nothing' }
        : { setting: 'KILN_S3_CA_FILE', got: 'other certificates' };
    return { ...setting, expected: `the authority of the certificate of ${where}` };
  }
  return { ...theEndpoint, expected: 'an S3 store that answers' };
}
