import type { CheckView } from '@kiln/contracts';
import type { Channel, Style } from '../../io/output.ts';

const LOOKS: Readonly<Record<CheckView['status'], { readonly word: string; readonly style: Style }>> = {
  problem: { word: 'PROBLEM', style: 'red' },
  warning: { word: 'warning', style: 'yellow' },
  unknown: { word: 'unknown', style: 'dim' },
  ok: { word: 'ok', style: 'green' },
};
const WORD_WIDTH = 7;

/** Renders checks for people, in their order, with advice below each that isn't fine, and how many there are of each at the end. */
export function doctorText(checks: readonly CheckView[], channel: Pick<Channel, 'style'>): string {
  const lines = checks.flatMap(({ area, subject, status, found, advice }) => {
    const { word, style } = LOOKS[status];
    const head = `${channel.style(style, word.padEnd(WORD_WIDTH))}  ${area} ${subject}: ${found}`;
    return [head, ...(advice === undefined ? [] : [`${' '.repeat(WORD_WIDTH)}  → ${advice}`])];
  });
  const count = (status: CheckView['status']) => checks.filter((one) => one.status === status).length;
  const sum = `${checks.length} checks: ${count('problem')} problems, ${count('warning')} warnings, ${count('unknown')} unknown`;
  return `${[...lines, '', sum].join('\n')}\n`;
}
