import type { BuildFilter } from '@kiln/contracts';

export const STATES = ['queued', 'assigned', 'running', 'succeeded', 'failed', 'canceled'] as const;
export const TRIGGERS = ['credential', 'person', 'webhook', 'schedule'] as const;
/** Fields of a filter that are free text, in the order in which they are shown. */
export const TEXT_FIELDS = ['text', 'repo', 'branch', 'team', 'host'] as const;

const MAX_CHARS = { text: 200, repo: 1024, branch: 256, team: 63, host: 255 } as const;

/** Reads a filter from the URL's parameters. What isn't a filter, or couldn't be sent to the API, is left out. */
export function readFilter(search: Readonly<Record<string, unknown>>): BuildFilter {
  const filter: Record<string, string> = {};
  for (const field of TEXT_FIELDS) {
    const value = textOf(search[field])?.slice(0, MAX_CHARS[field]);
    if (value) filter[field] = value;
  }
  const state = STATES.find((one) => one === search.state);
  const trigger = TRIGGERS.find((one) => one === search.trigger);
  return { ...filter, ...(state && { state }), ...(trigger && { trigger }) };
}

/** A commit of digits alone is read as a number from a URL. */
function textOf(value: unknown): string | undefined {
  if (typeof value === 'string') return value.trim();
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : undefined;
}

/** The filter with a field changed; an empty value removes it. */
export function withField(filter: BuildFilter, field: keyof BuildFilter, value: string): BuildFilter {
  return readFilter({ ...filter, [field]: value });
}

export function isFiltered(filter: BuildFilter): boolean {
  return Object.keys(filter).length > 0;
}
