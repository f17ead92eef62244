import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { chmod, mkdir, mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';

const SUMS = 'SHA256SUMS';
const REVISION = 'REVISION';
const NOTES = 'NOTES.md';

/** What is at the place of a release's directory. */
export type ReleaseDir =
  | { readonly type: 'absent' }
  | { readonly type: 'complete' }
  | { readonly type: 'other'; readonly why: string };

/** Tells whether a directory is a complete release of a commit. @param revision undefined: it can't be, because the commit isn't there yet */
export async function checkReleaseDir(dir: string, revision: string | undefined): Promise<ReleaseDir> {
  if (!(await stat(dir).catch(() => undefined))) return { type: 'absent' };
  const sums = await readFile(join(dir, SUMS), 'utf8').catch(() => undefined);
  if (sums === undefined) return { type: 'other', why: 'is not a release' };
  if ((await readFile(join(dir, REVISION), 'utf8').catch(() => '')).trim() !== revision) {
    return { type: 'other', why: 'was made from another commit' };
  }
  return sums === (await sumsOf(dir)) ? { type: 'complete' } : { type: 'other', why: `does not match its ${SUMS}` };
}

/** Makes a release's directory: the files of `make`, the commit, the notes, and the checksums of them all. It appears when it is complete. */
export async function writeReleaseDir(
  dir: string,
  { revision, notes }: { readonly revision: string; readonly notes: string },
  make: (draft: string) => Promise<void>,
): Promise<void> {
  await mkdir(dirname(dir), { recursive: true });
  const draft = await mkdtemp(join(dirname(dir), `.${basename(dir)}-`));
  try {
    await make(draft);
    await writeFile(join(draft, REVISION), `${revision}\n`);
    await writeFile(join(draft, NOTES), `${notes}\n`);
    await writeFile(join(draft, SUMS), await sumsOf(draft));
    // npm and docker write some files for their user alone.
    for (const name of await readdir(draft)) await chmod(join(draft, name), 0o644);
    await chmod(draft, 0o755);
    await rename(draft, dir);
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
}

/** The checksums of all files but that of the checksums, as `sha256sum` prints them. */
async function sumsOf(dir: string): Promise<string> {
  const names = (await readdir(dir)).filter((name) => name !== SUMS).sort();
  const lines = names.map(async (name) => {
    const digest = createHash('sha256');
    await pipeline(createReadStream(join(dir, name)), digest);
    return `${digest.digest('hex')}  ${name}\n`;
  });
  return (await Promise.all(lines)).join('');
}
