import { writeFile } from 'node:fs/promises';

/** Median of the values. */
export function median(values: readonly number[]): number {
  return percentile(values, 50);
}

/** The value that `percent` of the values do not exceed (nearest rank). */
export function percentile(values: readonly number[], percent: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil((percent / 100) * sorted.length) - 1)] ?? Number.NaN;
}

export const ms = (value: number) => `${value.toFixed(1)} ms`;
export const mb = (bytes: number) => `${(bytes / 1e6).toFixed(1)} MB`;

/** Formats rows as aligned columns, the first one left-aligned, the others right-aligned. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, i) => Math.max(...rows.map((row) => (row[i] ?? '').length)));
  return rows
    .map((row) =>
      row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0))).join('   '),
    )
    .map((line) => `  ${line.trimEnd()}`)
    .join('\n');
}

export const say = (text = '') => void process.stdout.write(`${text}\n`);

/** Writes the figures as JSON if `--json FILE` is given. */
export async function saveJson(path: string | undefined, figures: unknown): Promise<void> {
  if (path !== undefined) await writeFile(path, `${JSON.stringify(figures, null, 2)}\n`);
}
