import { readFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { CHANGELOG, entryOf } from './changelog.ts';
import { checkReleaseDir, type ReleaseDir, writeReleaseDir } from './release-dir.ts';
import { Repository } from './repository.ts';
import { isLower, isVersion, readVersions, versionFiles, writeVersion } from './versions.ts';

/** Why a release isn't made. Nothing was changed. */
export class ReleaseRefused extends Error {
  override readonly name = 'ReleaseRefused';
  readonly reasons: readonly string[];

  constructor(reasons: readonly string[]) {
    super(reasons.join('\n'));
    this.reasons = reasons;
  }
}

export interface ReleaseOptions {
  /** The checkout. */
  readonly root: string;
  /** `X.Y.Z`, or `X.Y.Z-pre.1`. */
  readonly version: string;
  /** The directory in which the release becomes the directory `kiln-X.Y.Z`. */
  readonly out: string;
  /** Checks everything and changes nothing. */
  readonly isDryRun: boolean;
}

/** What makes the files of a release, each into an empty directory. */
export interface ReleaseParts {
  /** Makes the package of the command. */
  pack(root: string, dir: string): Promise<void>;
  /** Makes the images, with their tags on this machine's engine, and saves them. */
  images(root: string, dir: string, revision: string): Promise<void>;
  say(line: string): void;
}

export interface Made {
  /** The directory with the files. */
  readonly dir: string;
  readonly tag: string;
  /** The commit. */
  readonly revision: string;
}

/**
 * Makes a release: sets the version of all packages and commits that, makes the files, and tags the commit last. So a tag means that the files were
 * complete. Pushes nothing. After an error it can be repeated, and goes on where it was: the commit stays, and files appear only when they are complete.
 * @returns undefined for a dry run
 * @throws ReleaseRefused with everything that is wrong; what making the files throws
 */
export async function release(options: ReleaseOptions, parts: ReleaseParts): Promise<Made | undefined> {
  const { root, version, isDryRun } = options;
  const repository = new Repository(root);
  const checked = await check(repository, options);
  const { tag, dir, isSet, files } = checked;
  if (isDryRun) {
    if (!isSet) parts.say(`would set version ${version} in ${files.length} files, and commit that`);
    parts.say(checked.isMade ? `${dir} is there already` : `would make ${dir}`);
    if (!checked.isTagged) parts.say(`would tag ${tag}`);
    return undefined;
  }
  if (!isSet) {
    parts.say(`setting version ${version} in ${files.length} files`);
    await setVersion(repository, files, version);
  }
  const revision = await repository.head();
  if (checked.isMade) parts.say(`${dir} is complete`);
  else await writeReleaseDir(dir, { revision, notes: checked.notes }, (draft) => makeAll(draft, parts, root, revision));
  const changes = await repository.changes();
  if (changes.length > 0 || (await repository.head()) !== revision) {
    throw new Error(`the checkout has changed meanwhile; remove ${dir} and repeat:\n${changes.join('\n')}`);
  }
  if (!checked.isTagged) await repository.tag(tag, `Kiln ${version}\n\n${checked.notes}`);
  return { dir, tag, revision };
}

async function makeAll(draft: string, parts: ReleaseParts, root: string, revision: string): Promise<void> {
  parts.say('packing the command');
  await parts.pack(root, draft);
  parts.say('making the images');
  await parts.images(root, draft, revision);
}

interface Checked {
  readonly tag: string;
  readonly notes: string;
  readonly dir: string;
  /** The files with a version. */
  readonly files: readonly string[];
  /** Whether they all have the release's version already. */
  readonly isSet: boolean;
  readonly isMade: boolean;
  readonly isTagged: boolean;
}

async function check(repository: Repository, { root, version, out }: ReleaseOptions): Promise<Checked> {
  if (!isVersion(version)) {
    throw new ReleaseRefused([`version: got ${JSON.stringify(version)}, expected X.Y.Z or X.Y.Z-pre.1`]);
  }
  const reasons: string[] = [];
  const changes = await repository.changes();
  if (changes.length > 0) {
    reasons.push(`the checkout has changes; commit or remove them:\n${changes.map((line) => `  ${line}`).join('\n')}`);
  }
  const notes = entryOf(await readFile(join(root, CHANGELOG), 'utf8').catch(() => ''), version);
  if (notes === undefined) reasons.push(`${CHANGELOG} has no entry, or an empty one, below a heading "## ${version}"`);
  const files = versionFiles(await repository.tracked());
  const versions = await readVersions(root, files);
  const present = versions.get('package.json') ?? '';
  for (const [file, found] of versions) {
    if (found !== present) reasons.push(`${file}: got version ${found}, expected ${present} as in package.json`);
  }
  if (isLower(version, present))
    reasons.push(`version: got ${version}, which is lower than the present one, ${present}`);
  const tag = `v${version}`;
  const [head, tagged] = await Promise.all([repository.head(), repository.tagged(tag)]);
  const isSet = present === version;
  if (tagged !== undefined && (tagged !== head || !isSet)) {
    reasons.push(`the tag ${tag} is there already, on ${tagged}; a version is released once`);
  }
  const dir = join(out, `kiln-${version}`);
  const inside = relative(root, dir);
  if (!inside.startsWith('..') && !inside.startsWith('dist/')) {
    reasons.push(`--out: got ${out}, expected a directory outside of the checkout, or in its dist`);
  }
  const state: ReleaseDir = await checkReleaseDir(dir, isSet ? head : undefined);
  if (state.type === 'other') reasons.push(`${dir} ${state.why}; remove it, or choose another --out`);
  if (reasons.length > 0 || notes === undefined) throw new ReleaseRefused(reasons);
  return { tag, notes, dir, files, isSet, isMade: state.type === 'complete', isTagged: tagged !== undefined };
}

async function setVersion(repository: Repository, files: readonly string[], version: string): Promise<void> {
  try {
    await writeVersion(repository.root, files, version);
    await repository.commit(`Release ${version}`);
  } catch (error) {
    await repository.restore(files);
    throw error;
  }
}
