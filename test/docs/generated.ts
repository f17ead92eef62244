import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { buildxTable } from '../../apps/cli/src/commands/build/request/buildx-compat.ts';
import { boundariesPicture } from './boundaries-picture.ts';
import { metricsTable } from './metrics-table.ts';
import { settingsPage } from './settings-page.ts';

const ROOT = join(import.meta.dirname, '../..');

/** A page of the docs of which all, or the part between two markers, is generated. */
export interface GeneratedPage {
  readonly file: string;
  /** The whole page as it should be, given the page as it is. */
  readonly render: (page: string) => string;
}

export const GENERATED: readonly GeneratedPage[] = [
  { file: 'docs/operate/settings.md', render: settingsPage },
  { file: 'docs/develop/architecture.md', render: (page) => between(page, 'boundaries', boundariesPicture()) },
  { file: 'docs/operate/metrics.md', render: (page) => between(page, 'metrics', metricsTable()) },
  { file: 'docs/use/submit.md', render: (page) => between(page, 'buildx-flags', buildxTable()) },
];

export function readPage({ file }: Pick<GeneratedPage, 'file'>): string {
  try {
    return readFileSync(join(ROOT, file), 'utf8');
  } catch {
    return '';
  }
}

export function writePage({ file }: GeneratedPage, text: string): void {
  writeFileSync(join(ROOT, file), text);
}

/** Replaces what stands between `<!-- name -->` and `<!-- /name -->`. @throws if the page has no such markers */
function between(page: string, name: string, text: string): string {
  const [begin, end] = [`<!-- ${name} -->`, `<!-- /${name} -->`];
  const [from, to] = [page.indexOf(begin), page.indexOf(end)];
  if (from < 0 || to < from) throw new Error(`no part of the page is between ${begin} and ${end}`);
  return `${page.slice(0, from + begin.length)}\n${text}\n${page.slice(to)}`;
}
