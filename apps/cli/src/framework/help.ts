import type { FlagTable } from './flags.ts';

const INDENT = 2;
const GAP = 3;
const MIN_TEXT_COLUMNS = 24;
const MAX_COLUMNS = 120;

export type HelpSection = {
  readonly title: string;
  /** Many commands have the same section, so the reference shows it once. */
  readonly isShared?: boolean;
} & ({ readonly rows: readonly (readonly [name: string, text: string])[] } | { readonly lines: readonly string[] });

/** Flags that are shown under one title. */
export interface FlagSection {
  readonly title: string;
  readonly flags: FlagTable;
  readonly isShared?: boolean;
}

export interface HelpPage {
  readonly usage: string;
  /** One or more paragraphs, separated by blank lines. */
  readonly about: string;
  /** `rows` are aligned in two columns, `lines` are printed verbatim. */
  readonly sections: readonly HelpSection[];
  /** Where to read on. */
  readonly footer?: string;
}

/** Renders a help page that is `columns` wide. */
export function renderHelp({ usage, about, sections, footer }: HelpPage, columns: number): string {
  const width = Math.min(columns, MAX_COLUMNS);
  const blocks = sections.map((section) => {
    const body =
      'rows' in section
        ? rows(section.rows, width)
        : section.lines.map((line) => `${' '.repeat(INDENT)}${line}`).join('\n');
    return `${section.title}:\n${body}`;
  });
  return `${[`Usage: ${usage}`, wrap(about, width), ...blocks, ...(footer === undefined ? [] : [wrap(footer, width)])].join('\n\n')}\n`;
}

/** The section of a help page that lists flags. */
export function flagSection({ title, flags, isShared = false }: FlagSection): HelpSection {
  const shown = Object.entries(flags).flatMap(([name, { short, value, help }]): [string, string][] =>
    help === undefined
      ? []
      : [[`${short ? `-${short}, ` : '    '}--${name}${value === undefined ? '' : ` ${value}`}`, help]],
  );
  return { title, rows: shown, isShared };
}

/** Renders names and their meaning in two columns, or one below the other if there isn't room for both. */
function rows(pairs: readonly (readonly [string, string])[], columns: number): string {
  const nameWidth = Math.max(...pairs.map(([name]) => name.length));
  const room = columns - INDENT - nameWidth - GAP;
  return pairs
    .map(([name, text]) => {
      if (room < MIN_TEXT_COLUMNS) {
        const body = wrap(text, columns - INDENT * 3).replaceAll('\n', `\n${' '.repeat(INDENT * 3)}`);
        return `${' '.repeat(INDENT)}${name}\n${' '.repeat(INDENT * 3)}${body}`;
      }
      const body = wrap(text, room).replaceAll('\n', `\n${' '.repeat(INDENT + nameWidth + GAP)}`);
      return `${' '.repeat(INDENT)}${name.padEnd(nameWidth + GAP)}${body}`;
    })
    .join('\n');
}

/** Breaks lines at spaces. A word longer than a line gets a line of its own. */
function wrap(text: string, columns: number): string {
  return text
    .split('\n')
    .map(
      (paragraph) =>
        paragraph.split(' ').reduce(
          ({ done, length }, word) => {
            if (length === 0) return { done: done + word, length: word.length };
            if (length + 1 + word.length > columns) return { done: `${done}\n${word}`, length: word.length };
            return { done: `${done} ${word}`, length: length + 1 + word.length };
          },
          { done: '', length: 0 },
        ).done,
    )
    .join('\n');
}
