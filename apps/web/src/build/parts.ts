export const PARTS = ['log', 'steps', 'slow', 'placement', 'outputs'] as const;
export type Part = (typeof PARTS)[number];

export interface BuildSearch {
  /** Default: the log. */
  readonly part?: Part;
  /** Line of the log, from 1. */
  readonly line?: number;
}

/** Reads what of a build is shown from the URL's parameters. */
export function readBuildSearch({ part, line }: Readonly<Record<string, unknown>>): BuildSearch {
  const shown = PARTS.find((one) => one === part && one !== 'log');
  const number = Number(line);
  return {
    ...(shown && { part: shown }),
    ...(Number.isSafeInteger(number) && number > 0 && { line: number }),
  };
}
