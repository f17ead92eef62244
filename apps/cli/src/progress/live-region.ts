import stringWidth from 'string-width';
import type { Channel } from '../io/output.ts';

const HIDE_CURSOR = '\u001b[?25l';
const SHOW_CURSOR = '\u001b[?25h';
/** Between these a terminal that knows them shows nothing half drawn; others ignore them. */
const BEGIN_FRAME = '\u001b[?2026h';
const END_FRAME = '\u001b[?2026l';
const CLEAR_LINE_END = '\u001b[K';
const CLEAR_BELOW = '\u001b[J';

/**
 * The last lines of the terminal, drawn over and over in place; what is `print`ed goes above them and stays.
 * Each frame is one write, and only overwrites: nothing is blank in between. A frame must have fewer lines than the terminal
 * has rows, each at most as wide as it.
 */
export class LiveRegion {
  readonly #channel: Channel;
  #drawn: readonly string[] = [];
  #hidden = false;

  constructor(channel: Channel) {
    this.#channel = channel;
  }

  /** Draws `lines` in the place of the last ones, below `above`. */
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

  /** Takes the region away, and gives the cursor back. */
  close(): void {
    if (!this.#hidden) return;
    const up = this.#rowsDrawn();
    this.#channel.control(`${up > 0 ? `\u001b[${up}A` : ''}\r${CLEAR_BELOW}${SHOW_CURSOR}`);
    this.#hidden = false;
    this.#drawn = [];
  }

  /** Rows that the last frame takes now: after the terminal became narrower its lines are wrapped. */
  #rowsDrawn(): number {
    const { columns } = this.#channel;
    return this.#drawn.reduce((rows, line) => rows + Math.max(1, Math.ceil(stringWidth(line) / columns)), 0);
  }
}

function same(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((line, i) => line === b[i]);
}
