import { safeName } from '@kiln/contracts';
import stringWidth from 'string-width';
import type { Channel, Style } from './output.ts';
import { fit } from './terminal-text.ts';

export interface Column<T> {
  readonly title: string;
  readonly text: (row: T) => string;
  readonly style?: (row: T) => Style | undefined;
  /** The column may be truncated to this width. Absent: never truncated. */
  readonly min?: number;
  /** Columns with this number are dropped if the terminal is too narrow, the highest first. Absent: always shown. */
  readonly dispensable?: number;
  readonly align?: 'right';
  /** Shown only with `-o wide`. */
  readonly isWide?: boolean;
}

const GAP = 2;

/** Renders aligned columns with a heading. Fits the width of a terminal; in a pipe or file, or if `isWide`, nothing is truncated or dropped. */
export function renderTable<T>(
  given: readonly Column<T>[],
  rows: readonly T[],
  channel: Channel,
  { isWide = false }: { readonly isWide?: boolean } = {},
): string {
  const wanted = given.filter((column) => isWide || !column.isWide);
  const columns = wanted.map((column) => ({ ...column, text: (row: T) => safeName(column.text(row)) }));
  const natural = columns.map(({ title, text }) =>
    Math.max(title.length, ...rows.map((row) => stringWidth(text(row)))),
  );
  const { shown, widths } = layout(
    columns,
    natural,
    channel.isTerminal && !isWide ? channel.columns : Number.POSITIVE_INFINITY,
  );
  const line = (cells: readonly string[]) => `${cells.join(' '.repeat(GAP)).trimEnd()}\n`;
  const heading = shown.map((column, i) => channel.style('dim', pad(column.title, widths[i] ?? 0, column.align)));
  const body = rows.map((row) =>
    line(
      shown.map((column, i) => {
        const cell = pad(fit(column.text(row), widths[i] ?? 0), widths[i] ?? 0, column.align);
        const style = column.style?.(row);
        return style ? channel.style(style, cell) : cell;
      }),
    ),
  );
  return line(heading) + body.join('');
}

function layout<T>(
  columns: readonly Column<T>[],
  natural: readonly number[],
  room: number,
): { shown: readonly Column<T>[]; widths: readonly number[] } {
  let shown = columns.map((column, i) => ({ column, width: natural[i] ?? 0 }));
  const total = (widths: readonly number[]) => widths.reduce((sum, width) => sum + width + GAP, -GAP);
  const least = () => total(shown.map(({ column, width }) => Math.min(width, column.min ?? width)));
  while (least() > room) {
    const victim = shown
      .filter(({ column }) => column.dispensable !== undefined)
      .sort((a, b) => (b.column.dispensable ?? 0) - (a.column.dispensable ?? 0))[0];
    if (!victim) break;
    shown = shown.filter((one) => one !== victim);
  }
  let excess = total(shown.map(({ width }) => width)) - room;
  const widths = shown.map(({ column, width }) => {
    const cut = Math.max(0, Math.min(excess, width - Math.min(width, column.min ?? width)));
    excess -= cut;
    return width - cut;
  });
  return { shown: shown.map(({ column }) => column), widths };
}

function pad(text: string, width: number, align: 'right' | undefined): string {
  const space = ' '.repeat(Math.max(0, width - stringWidth(text)));
  return align === 'right' ? space + text : text + space;
}

const FIELD_GAP = 1;

/** Renders labelled values, a line each, with the values aligned. */
export function fieldLines(fields: readonly (readonly [label: string, value: string])[], indent = ''): string {
  const width = Math.max(...fields.map(([label]) => label.length)) + FIELD_GAP;
  return fields.map(([label, value]) => `${indent}${label.padEnd(width)} ${value}\n`).join('');
}
