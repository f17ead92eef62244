import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { extract } from 'tar-stream';
import { command } from './command.ts';

/** Name, as tar escapes it, and everything else that a layer has of an entry. */
type Entry = readonly [name: string, what: string];

const LINE = /^(\S+ \S+ +\d+) (\d+-\d+-\d+ \d+:\d+:\d+(?:\.\d+)?) (.*)$/;
const HARD_LINK = /^h.* link to (.*)$/;

/**
 * Returns what is in a layer's tar, sorted: type, mode, owner, size, time, name and link target of each entry, with a digest of its content. A hard link
 * counts as the file that it is: contexts of Kiln have none.
 * @param times whether with times of files and links; BuildKit on a busy machine loses those of directories
 */
export async function layerOf(file: string, { times }: { readonly times: boolean }): Promise<readonly string[]> {
  const flags = ['--verbose', '--numeric-owner', '--full-time', '--quoting-style=escape'];
  const { stdout } = await command('tar', ['--list', ...flags, '--file', file], { env: { LC_ALL: 'C', TZ: 'UTC' } });
  const digests = await digestsIn(file);
  const lines = stdout.trimEnd().split('\n');
  if (lines.length !== digests.length)
    throw new Error(`${file}: tar lists ${lines.length} of ${digests.length} entries`);
  const entries = new Map(lines.map((line, i) => entryOf(line, `${digests[i]}`, times)));
  return [...entries].map(([name, what]) => `${resolved(name, what, entries)} ${name}`).sort();
}

function entryOf(line: string, digest: string, times: boolean): Entry {
  const [, head = '', time = '', rest = ''] = LINE.exec(line) ?? [];
  if (head === '') throw new Error(`tar lists an entry in another way: ${line}`);
  const target = line.startsWith('h') ? rest.split(' link to ') : rest.split(' -> ');
  const [name = '', to] = target;
  const link = to === undefined ? '' : line.startsWith('h') ? ` link to ${to}` : ` -> ${to}`;
  return [name, `${head} ${times && !head.startsWith('d') ? `${time} ` : ''}${digest}${link}`];
}

function resolved(name: string, what: string, entries: ReadonlyMap<string, string>): string {
  const target = HARD_LINK.exec(what)?.[1];
  if (target === undefined) return what;
  const found = entries.get(target);
  if (found === undefined) throw new Error(`${name} is a hard link to ${target}, which isn't there`);
  return found;
}

async function digestsIn(file: string): Promise<readonly string[]> {
  const digests: string[] = [];
  const entries = extract();
  const reading = pipeline(createReadStream(file), entries);
  for await (const entry of entries) {
    const hash = createHash('sha256');
    for await (const chunk of entry) hash.update(chunk as Uint8Array);
    digests.push(hash.digest('hex').slice(0, 16));
  }
  await reading;
  return digests;
}
