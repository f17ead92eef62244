import stringWidth from 'string-width';
import type { Channel } from '../io/output.ts';
import { BEGIN_FRAME, CLEAR_BELOW, CLEAR_LINE_END, END_FRAME } from './frame-codes.ts';

const HIDE_CURSOR = '\u001b[?25l';
const SHOW_CURSOR = '\u001b[?25h';

/**
 * Redraws the last lines of the terminal in place. Lines that are finished are written above them and stay.
 * Each frame is a single write that only overwrites, so that nothing flickers. A frame must have fewer lines than the terminal
 * has rows, and no line wider than the terminal.
 */
export class LiveRegion {
  readonly #channel: Channel;
  #drawn: readonly string[] = [];
  #hidden = false;

  constructor(channel: Channel) {
    this.#channel = channel;
  }

  /** Replaces the region with `lines`, after writing `above` for good. */
  draw(lines: readonly string[], above: readonly string[] = []): void {
    if (above.length === 0 && same(lines, this.#drawn)) return;
    const up = this.#rowsDrawn();
    const frame = [
      BEGIN_FRAME,
      this.#hidden ? '' : HIDE_CURSOR,
      up > 0 ? `\u001b[${up}A\r` : '\r',
      ...[...above, ...lines].map((line) => `${this.#channel.shown(line)}${CLEAR_LINE_END}\n`),
      CLEAR_BELOW,
      END_FRAME,
    ];
    this.#hidden = true;
    this.#drawn = lines;
    this.#channel.control(frame.join(''));
  }

  /** Erases the region and shows the cursor again. */
  close(): void {
    if (!this.#hidden) return;
    const up = this.#rowsDrawn();
    this.#channel.control(`${up > 0 ? `\u001b[${up}A` : ''}\r${CLEAR_BELOW}${SHOW_CURSOR}`);
    this.#hidden = false;
    this.#drawn = [];
  }

  /** The rows that the last frame takes now: lines wrap if the terminal has become narrower. */
  #rowsDrawn(): number {
    const { columns } = this.#channel;
    return this.#drawn.reduce((rows, line) => rows + Math.max(1, Math.ceil(stringWidth(line) / columns)), 0);
  }
}

function same(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((line, i) => line === b[i]);
}
