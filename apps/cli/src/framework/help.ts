import type { FlagTable } from './flags.ts';

const INDENT = 2;
const GAP = 3;
const MIN_TEXT_COLUMNS = 24;
const MAX_COLUMNS = 120;

export interface HelpPage {
  readonly usage: string;
  readonly about: string;
  readonly sections: readonly { readonly title: string; readonly flags: FlagTable }[];
  /** Paragraphs printed as they are after the flags. */
  readonly notes?: string;
}

/** A command's help, `columns` wide. */
export function renderHelp(page: HelpPage, columns: number): string {
  const width = Math.min(columns, MAX_COLUMNS);
  const sections = page.sections.map(({ title, flags }) => `${title}:\n${rows(flagRows(flags), width)}`);
  const notes = page.notes === undefined ? [] : [page.notes];
  return `${[`Usage: ${page.usage}`, wrap(page.about, width), ...sections, ...notes].join('\n\n')}\n`;
}

function flagRows(flags: FlagTable): [string, string][] {
  return Object.entries(flags).flatMap(([name, { short, value, help }]): [string, string][] =>
    help === undefined
      ? []
      : [[`${short ? `-${short}, ` : '    '}--${name}${value === undefined ? '' : ` ${value}`}`, help]],
  );
}

/** Two columns: names, and what they mean; under one another where there isn't room for both. */
export function rows(pairs: readonly (readonly [string, string])[], columns: number): string {
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

/** Breaks at spaces; a longer word stands on a line of its own. */
export function wrap(text: string, columns: number): string {
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
