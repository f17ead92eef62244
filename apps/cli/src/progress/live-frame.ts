import { bytes } from '@kiln/contracts';
import type { Channel } from '../io/output.ts';
import { tameLine } from '../io/tame-line.ts';
import { fit, spread } from '../io/terminal-text.ts';
import type { Step, Transfer } from './model.ts';

/** The content of one frame. Times in ms. */
export interface LiveState {
  readonly running: readonly Step[];
  readonly finishedSteps: number;
  readonly knownSteps: number;
  readonly elapsedMs: number;
  /** Shown beside the count, such as why the build waits. */
  readonly status: string;
  /** The current time by the host's clock. */
  readonly hostNow: number;
}

const TAIL_LINES = 6;
const MAX_ROWS = 40;

/** Renders the live region: running steps, each with its last output as far as there is room, and a footer with the count. */
export function liveFrame(state: LiveState, channel: Channel): string[] {
  const columns = lineColumns(channel);
  // The cursor takes the row below the last line.
  const rows = Math.max(2, Math.min(MAX_ROWS, channel.rows - 1)) - 1;
  const shown = state.running.length <= rows ? state.running : state.running.slice(0, rows - 1);
  const hidden = state.running.length - shown.length;
  let room = rows - shown.length - (hidden > 0 ? 1 : 0);
  // The remaining rows are shared between the steps, so that the first one doesn't take them all.
  const share = Math.min(TAIL_LINES, Math.max(0, Math.ceil(room / Math.max(1, shown.length))));
  const lines: string[] = [];
  for (const step of shown) {
    lines.push(stepLine(step, seconds(Math.max(0, state.hostNow - (step.startedAt ?? state.hostNow))), channel));
    const details = detailLines(step, Math.min(share, room), channel);
    room -= details.length;
    lines.push(...details);
  }
  if (hidden > 0) lines.push(fit(channel.style('dim', ` => … and ${hidden} more`), columns));
  lines.push(footer(state, channel));
  return lines;
}

/** Renders a finished step as it stays in the terminal. */
export function finishedLine(step: Step, channel: Channel): string {
  switch (step.state) {
    case 'cached':
      return stepLine(step, seconds(0), channel, 'blue', 'CACHED ');
    case 'failed':
      return stepLine(step, seconds(step.ms ?? 0), channel, 'red', 'ERROR ');
    case 'canceled':
      return stepLine(step, seconds(step.ms ?? 0), channel, 'yellow', 'CANCELED ');
    default:
      return stepLine(step, seconds(step.ms ?? 0), channel, 'blue');
  }
}

function stepLine(step: Step, time: string, channel: Channel, style?: 'blue' | 'red' | 'yellow', prefix = ''): string {
  const line = spread(` => ${prefix}${tameLine(step.name, false)}`, time, lineColumns(channel));
  return style ? channel.style(style, line) : line;
}

function detailLines(step: Step, room: number, channel: Channel): string[] {
  if (room <= 0) return [];
  const transfers = [...step.transfers.values()].filter(({ done }) => !done).slice(-room);
  const tail = step.tail.last(room - transfers.length);
  return [
    ...transfers.map((transfer) =>
      spread(` => => ${tameLine(transfer.name, false)}`, amount(transfer), lineColumns(channel)),
    ),
    ...tail.map(({ text }) =>
      fit(`${channel.style('dim', ' => => #')} ${tameLine(text, channel.hasColour)}`, lineColumns(channel)),
    ),
  ];
}

function amount({ current, total }: Transfer): string {
  if (total > 0) return `${bytes(current)} / ${bytes(total)}`;
  return current > 0 ? bytes(current) : '';
}

function footer(state: LiveState, channel: Channel): string {
  const count = state.knownSteps > 0 ? ` (${state.finishedSteps}/${state.knownSteps})` : '';
  const head = channel.style('bold', `[+] Building ${seconds(state.elapsedMs)}${count}`);
  return fit(state.status ? `${head} ${channel.style('dim', state.status)}` : head, lineColumns(channel));
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)}s`;
}

/** Leaves the last column free: after writing it, terminals differ in whether the cursor is on the next line. */
export function lineColumns({ columns }: Pick<Channel, 'columns'>): number {
  return columns - 1;
}
