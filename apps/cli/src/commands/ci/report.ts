import { appendFile, writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { KilnClient } from '@kiln/client';
import { type BuildView, bytes, failureSentence, safeName } from '@kiln/contracts';
import { duration } from '../../io/ages.ts';
import type { Io } from '../../io/output.ts';
import { imageId, metadata } from '../build/result/metadata.ts';
import type { Runner } from './runners.ts';

/** Values that later steps of the pipeline use, as docker/build-push-action names them. */
export function outputsOf(build: BuildView): Record<string, string> {
  return {
    digest: build.result?.digest ?? '',
    imageid: imageId(build) ?? '',
    metadata: JSON.stringify(metadata(build)),
    'build-id': build.id,
  };
}

/** What a summary says besides the build. */
export interface SummaryFacts {
  readonly url: string;
  /** How much faster the build was than without caches, ms. */
  readonly savedMs: number | undefined;
  readonly dockerfile: string | undefined;
  readonly line: number | undefined;
}

/** A summary of the build in Markdown. */
export function summaryOf(build: BuildView, { url, savedMs, dockerfile, line }: SummaryFacts): string {
  const { state, failure, host, durationMs, steps, result } = build;
  const rows: (readonly [string, string] | undefined)[] = [
    ['Build', `[${build.id}](${url})`],
    ['Result', failure ? cell(failureSentence(state, failure)) : state],
    line === undefined || dockerfile === undefined ? undefined : ['At', `\`${cell(dockerfile)}:${line}\``],
    host === undefined ? undefined : ['Host', cell(host)],
    durationMs === undefined ? undefined : ['Took', duration(durationMs)],
    savedMs === undefined || savedMs <= 0 ? undefined : ['Saved by caches', `about ${duration(savedMs)}`],
    steps && ['Steps cached', `${steps.cached} of ${steps.total}`],
    ...(result?.pushed ?? []).map((image) => ['Image', `\`${cell(image)}\``] as const),
    result?.digest === undefined ? undefined : ['Digest', `\`${result.digest}\``],
    result?.imageBytes === undefined ? undefined : ['Size', bytes(result.imageBytes)],
  ];
  const table = rows.flatMap((row) => (row ? [`| ${row[0]} | ${row[1]} |`] : []));
  return `### ${state === 'succeeded' ? '✅' : '❌'} Kiln: ${cell(build.repo)}\n\n| | |\n| --- | --- |\n${table.join('\n')}\n`;
}

/** A `|` would end the cell of a table, and a line end the table. */
function cell(text: string): string {
  return safeName(text).replaceAll('|', '\\|').replaceAll('`', "'");
}

/** Returns what the caches saved, as far as the server tells. */
export async function savedBy(client: KilnClient, id: string): Promise<number | undefined> {
  try {
    return (await client.whySlow(id)).savedMs;
  } catch {
    return undefined;
  }
}

export interface ReportFiles {
  readonly outputs: Readonly<Record<string, string>>;
  readonly summary: string;
  readonly url: string;
  readonly failure?: { readonly message: string; readonly file: string; readonly line: number } | undefined;
}

/** Hands over outputs and summary by the files that the CI system reads. */
export async function writeReport(
  runner: Runner,
  report: ReportFiles,
  { env, cwd }: Pick<Io, 'env' | 'cwd'>,
): Promise<void> {
  const { outputs, summary, url, failure } = report;
  if (runner === 'github') {
    if (env.GITHUB_OUTPUT) await appendFile(env.GITHUB_OUTPUT, Object.entries(outputs).map(githubOutput).join(''));
    if (env.GITHUB_STEP_SUMMARY) await appendFile(env.GITHUB_STEP_SUMMARY, summary);
    return;
  }
  const write = (name: string, text: string) => writeFile(resolve(cwd, env.KILN_CI_DIR ?? '.', name), text);
  const lines = Object.entries(outputs).map(
    ([name, value]) => `KILN_${name.replaceAll('-', '_').toUpperCase()}=${value}\n`,
  );
  // GitLab's dotenv reports and Jenkins' readProperties take the same lines.
  await write('kiln.env', lines.join(''));
  await write('kiln-summary.md', summary);
  if (runner !== 'gitlab') return;
  const link = { external_link: { label: `Kiln build ${outputs['build-id']}`, url } };
  await write('kiln-annotations.json', JSON.stringify({ Kiln: [link] }));
  await write('kiln-codequality.json', JSON.stringify(failure ? [codeQuality(failure)] : []));
}

/** An output in GitHub's notation for values of several lines, whose delimiter must not be in the value. */
function githubOutput([name, value]: readonly [string, string]): string {
  let delimiter = 'KILN_EOF';
  while (value.includes(delimiter)) delimiter += '_';
  return `${name}<<${delimiter}\n${value}\n${delimiter}\n`;
}

function codeQuality({ message, file, line }: NonNullable<ReportFiles['failure']>): object {
  return {
    ...{ description: message, check_name: 'kiln-build', severity: 'blocker', fingerprint: `kiln:${file}:${line}` },
    location: { path: file, lines: { begin: line } },
  };
}
