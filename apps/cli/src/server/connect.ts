import { KilnClient } from '@kiln/client';
import { UsageError } from '../io/errors.ts';
import type { Server } from './find-server.ts';

/** Creates a client. @throws UsageError if the URL or the token is malformed */
export function connect({ url, token, from }: Server): KilnClient {
  if (typeof token === 'string' && !/^[\x21-\x7e]+$/.test(token)) {
    throw new UsageError('the API token contains characters that no token has, such as white space or a line end');
  }
  try {
    return new KilnClient({ url, token });
  } catch {
    throw new UsageError(`${from}: got ${JSON.stringify(url)}, expected an http:// or https:// URL`);
  }
}
