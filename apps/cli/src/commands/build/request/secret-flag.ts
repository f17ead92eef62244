import { isUtf8 } from 'node:buffer';
import { type FileHandle, open } from 'node:fs/promises';
import { resolve } from 'node:path';
import { MAX_SECRET_BYTES as MAX_BYTES } from '@kiln/contracts';
import { UsageError } from '../../../io/errors.ts';
import { csvPairs } from './csv.ts';

type Env = Readonly<Record<string, string | undefined>>;
type Source = { readonly env: string } | { readonly file: string };

export interface ReadSecrets {
  readonly values: Readonly<Record<string, string>>;
  /** Ids of values that are no text in UTF-8, and so in base64. */
  readonly binary: readonly string[];
  readonly warnings: readonly string[];
}

/**
 * Reads `--secret id=npm,src=.npmrc`, `id=token,env=TOKEN` or `id=TOKEN` like buildx does: without src and env, the value is that of the
 * variable of that name, or else of the file of that name. A variable that isn't set gives an empty secret, with a warning. A file may
 * be a pipe. A value is never part of a message. @throws UsageError
 */
export async function readSecrets(flags: readonly string[], env: Env, cwd: string): Promise<ReadSecrets> {
  const values: Record<string, string> = {};
  const binary = new Set<string>();
  const warnings: string[] = [];
  for (const flag of flags) {
    const { id, source } = parseSecret(flag, env);
    binary.delete(id);
    if ('file' in source) {
      const data = await readSecretFile(id, resolve(cwd, source.file));
      if (!isUtf8(data)) binary.add(id);
      values[id] = data.toString(isUtf8(data) ? 'utf8' : 'base64');
    } else {
      const value = env[source.env];
      if (value === undefined)
        warnings.push(`--secret id=${id}: the environment variable ${source.env} is not set; the secret is empty`);
      values[id] = value ?? '';
    }
  }
  return { values, binary: [...binary], warnings };
}

function parseSecret(flag: string, env: Env): { id: string; source: Source } {
  const pairs = csvPairs('--secret', flag);
  const id = pairs.get('id');
  const type = pairs.get('type');
  const file = pairs.get('src') ?? pairs.get('source');
  const variable = pairs.get('env');
  for (const key of pairs.keys()) {
    if (!['id', 'type', 'src', 'source', 'env'].includes(key))
      throw new UsageError(`--secret ${flag}: unknown key ${key}`);
  }
  if (!id) throw new UsageError(`--secret ${flag}: id= is required`);
  if (type !== undefined && type !== 'file' && type !== 'env') {
    throw new UsageError(`--secret ${flag}: got type=${type}, expected file or env`);
  }
  if (variable !== undefined) return { id, source: { env: variable } };
  if (type === 'env') return { id, source: { env: file ?? id } };
  if (file !== undefined) return { id, source: { file } };
  return { id, source: type === undefined && env[id] !== undefined ? { env: id } : { file: id } };
}

async function readSecretFile(id: string, path: string): Promise<Buffer> {
  const data = await readAll(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') throw new UsageError(`--secret id=${id}: ${path}: no such file or directory`);
    if (error.code === 'EISDIR') throw new UsageError(`--secret id=${id}: not a file: ${path}`);
    throw new UsageError(`--secret id=${id}: ${error.message}`);
  });
  if (data.length > MAX_BYTES)
    throw new UsageError(`--secret id=${id}: ${path} is too big. max size ${MAX_BYTES / 1024}KB`);
  return data;
}

/** Reads a file or pipe, at most one byte more than a secret may have. */
async function readAll(path: string): Promise<Buffer> {
  await using file: FileHandle = await open(path);
  const buffer = Buffer.alloc(MAX_BYTES + 1);
  let length = 0;
  while (length < buffer.length) {
    // Without a position, because pipes have none.
    const { bytesRead } = await file.read(buffer, length, buffer.length - length, null);
    if (bytesRead === 0) break;
    length += bytesRead;
  }
  return buffer.subarray(0, length);
}
