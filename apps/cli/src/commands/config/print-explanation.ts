import type { Explanation, ImageVerdict } from '@kiln/forges';
import type { Channel } from '../../io/output.ts';
import { tameLine } from '../../io/tame-line.ts';

const STYLES = { build: 'green', cancel: 'yellow', skip: 'dim' } as const;
const WIDTH = 'cancel'.length;

/** Prints the event and, for each image, what happens to it. */
export function printExplanation({ event, none, images }: Explanation, out: Channel): void {
  out.line(out.style('bold', tame(event)));
  if (none !== undefined) out.line(`nothing to build: ${tame(none)}`);
  for (const verdict of images) {
    const { outcome, image } = verdict;
    out.line(`${out.style(STYLES[outcome], outcome.padEnd(WIDTH))}  ${image}${remark(verdict)}`);
    for (const [name, value] of details(verdict)) out.line(`${' '.repeat(WIDTH + 2)}${name.padEnd(9)}${tame(value)}`);
  }
}

/** Makes text safe for the terminal: names of paths and branches are untrusted. */
function tame(text: string): string {
  return tameLine(text, false);
}

function remark(verdict: ImageVerdict): string {
  if (verdict.outcome === 'build') return verdict.trust === 'untrusted' ? ', untrusted' : '';
  return `: ${tame(verdict.why)}`;
}

function details(verdict: ImageVerdict): readonly (readonly [string, string])[] {
  if (verdict.outcome === 'cancel') return [['key', verdict.concurrencyKey]];
  if (verdict.outcome === 'skip') return [];
  const { request, secrets, notes } = verdict;
  const { source, tags = [], output, supersede } = request;
  const names = Object.keys(secrets);
  return [
    ...(source.type === 'git' ? [['source', sourceText(source)] as const] : []),
    ...tags.map((tag) => [output?.type === 'push' ? 'push' : 'tag', tag] as const),
    ...(names.length > 0 ? [['secrets', names.join(', ')] as const] : []),
    ...(supersede
      ? [
          [
            'replaces',
            `${supersede === 'queued' ? 'queued' : 'queued and running'} builds of ${request.concurrencyKey}`,
          ] as const,
        ]
      : []),
    ...notes.map((note) => ['note', note] as const),
  ];
}

function sourceText({
  url,
  ref,
  subdir,
}: {
  url: string;
  ref?: string | undefined;
  subdir?: string | undefined;
}): string {
  return `${url}#${ref ?? ''}${subdir === undefined ? '' : `:${subdir}`}`;
}
