import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** The directory of a library, in the path of one of its modules. */
const LIBRARY = /^.*\/node_modules\/(?:@[^/]+\/)?[^/]+(?=\/)/;
const LICENCE = /^(?:licen[cs]e|copying|notice)/i;

/** Returns the names, versions and licence texts of the libraries that these modules belong to: who passes on a library passes on its licence. */
export async function licencesOf(modules: readonly string[]): Promise<string> {
  const dirs = new Set(modules.flatMap((path) => LIBRARY.exec(path)?.[0] ?? []));
  const texts = await Promise.all([...dirs].map(licenceOf));
  return texts.sort().join(`\n${'-'.repeat(80)}\n\n`);
}

async function licenceOf(dir: string): Promise<string> {
  const { name, version, license } = JSON.parse(await readFile(join(dir, 'package.json'), 'utf8')) as {
    readonly [field in 'name' | 'version' | 'license']?: string;
  };
  const files = (await readdir(dir, { withFileTypes: true })).filter(
    (file) => file.isFile() && LICENCE.test(file.name),
  );
  const texts = await Promise.all(files.map((file) => readFile(join(dir, file.name), 'utf8')));
  return `${name} ${version} (${license ?? 'licence: see its text'})\n\n${texts.map((text) => text.trim()).join('\n\n')}\n`;
}
