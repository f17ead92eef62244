import { UsageError } from '../../io/errors.ts';
import type { Io } from '../../io/output.ts';
import { readText } from '../../io/read-file.ts';

/** Reads a secret from a file, without the final line end that editors add. @throws UsageError */
export async function readSecret(path: string, io: Io): Promise<string> {
  const secret = (await readText(path, io)).replace(/\r?\n$/, '');
  if (secret === '') throw new UsageError(`${path} is empty, expected a secret`);
  return secret;
}
