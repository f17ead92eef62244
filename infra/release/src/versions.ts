import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

const VERSION = /^(\d{1,6})\.(\d{1,6})\.(\d{1,6})(?:-([0-9a-z]+(?:\.[0-9a-z]+)*))?$/;
const DOCKERFILE = 'infra/images/Dockerfile';
/** Where a version stands in a file that has one. */
const IN_MANIFEST = /^( {2}"version": ")([^"]+)(")/m;
const IN_DOCKERFILE = /^(ARG VERSION=)(\S+)()$/m;

export function isVersion(text: string): boolean {
  return VERSION.test(text);
}

/** Whether a version is lower than another one. Of a pre-release only the numbers count, and that it comes before its release. */
export function isLower(version: string, than: string): boolean {
  const [own, other] = [orderOf(version), orderOf(than)];
  const at = own.findIndex((part, i) => part !== other[i]);
  return at >= 0 && (own[at] ?? 0) < (other[at] ?? 0);
}

function orderOf(version: string): number[] {
  const [, major, minor, patch, before] = VERSION.exec(version) ?? [];
  return [Number(major), Number(minor), Number(patch), before === undefined ? 1 : 0];
}

/** Files of a repository that have its version: the manifest of each package, except for the examples, and the images' Dockerfile. */
export function versionFiles(tracked: readonly string[]): string[] {
  return tracked.filter(
    (path) => path === DOCKERFILE || (/(?:^|\/)package\.json$/.test(path) && !path.startsWith('examples/')),
  );
}

/** Returns the version in each file. @throws Error for a file without one */
export async function readVersions(root: string, files: readonly string[]): Promise<Map<string, string>> {
  const entries = files.map(async (file) => {
    const [, , version] = patternOf(file).exec(await readFile(join(root, file), 'utf8')) ?? [];
    if (version === undefined) throw new Error(`${file} has no version`);
    return [file, version] as const;
  });
  return new Map(await Promise.all(entries));
}

/** Writes a version into files that have one. */
export async function writeVersion(root: string, files: readonly string[], version: string): Promise<void> {
  for (const file of files) {
    const path = join(root, file);
    const text = await readFile(path, 'utf8');
    await writeFile(path, text.replace(patternOf(file), `$1${version}$3`));
  }
}

function patternOf(file: string): RegExp {
  return file === DOCKERFILE ? IN_DOCKERFILE : IN_MANIFEST;
}
