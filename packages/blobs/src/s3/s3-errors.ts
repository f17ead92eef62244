import { S3ServiceException } from '@aws-sdk/client-s3';
import { BlobStoreUnavailable } from '../errors.ts';

/** Names of errors that the SDK throws when no answer came, or when it found no credentials. */
const NAMES = new Set(['TimeoutError', 'AbortError', 'CredentialsProviderError', 'TokenProviderError']);

/** Codes of sockets, DNS, TLS and HTTP. */
const OF_A_CONNECTION =
  /^(ECONN|ETIMEDOUT$|EPIPE$|EPROTO$|EHOST|ENET|EADDR|EAI_|ENOTFOUND$|HPE_|ERR_TLS|ERR_SSL|CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO)/;

/** Returns whether an answer of the store says that there is no such object. A missing bucket is another matter. */
export function isMissing(error: unknown): boolean {
  // The SDK's name for an answer to HEAD, which has no body and so no code.
  return error instanceof S3ServiceException && (error.name === 'NoSuchKey' || error.name === 'NotFound');
}

export function statusOf(error: unknown): number | undefined {
  return error instanceof S3ServiceException ? error.$metadata.httpStatusCode : undefined;
}

/** Turns an error of the SDK into `BlobStoreUnavailable`; other errors, such as those of files and of the caller's stream, stay as they are. */
export function asUnavailable(error: unknown, doing: string): unknown {
  if (!(error instanceof Error) || !isOfStore(error)) return error;
  return new BlobStoreUnavailable(`${doing} failed: ${reasonOf(error)}`, { cause: error });
}

/** What went wrong, for a log or an operator: the store's own code and words. */
export function reasonOf(error: Error): string {
  const status = statusOf(error);
  const code = (error as NodeJS.ErrnoException).code;
  const name = error.name === 'Error' ? code : error.name;
  const words =
    error.message === '' && error instanceof AggregateError ? error.errors.map(String).join('; ') : error.message;
  return (
    [name, status === undefined ? undefined : `(status ${status})`].filter((part) => part).join(' ') +
    (words ? `: ${words}` : '')
  );
}

function isOfStore(error: Error): boolean {
  if (error instanceof S3ServiceException || NAMES.has(error.name)) return true;
  // An answer that isn't S3's, such as a page of a proxy.
  if ('$metadata' in error || '$response' in error) return true;
  const { code } = error as NodeJS.ErrnoException;
  return typeof code === 'string' && OF_A_CONNECTION.test(code);
}
