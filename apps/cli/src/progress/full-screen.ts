import type { Channel } from '../io/output.ts';
import { BEGIN_FRAME, CLEAR_BELOW, CLEAR_LINE_END, END_FRAME } from './frame-codes.ts';

/** The alternate screen has no history, and its end brings back what the terminal showed before. */
const ENTER = '\u001b[?1049h\u001b[?25l';
const LEAVE = '\u001b[?25h\u001b[?1049l';
const HOME = '\u001b[H';
const CLEAR = '\u001b[2J';

/** Takes the whole terminal until it is disposed of. Each frame is a single write that only overwrites, so that nothing flickers. */
export class FullScreen implements Disposable {
  readonly #channel: Channel;
  readonly #onResize: () => void;
  #drawn = '';
  #closed = false;

  /** `redraw` is called after the terminal's size has changed. */
  constructor(channel: Channel, redraw: () => void) {
    this.#channel = channel;
    this.#onResize = () => {
      // Lines that were wrapped stay otherwise.
      this.#drawn = '';
      this.#channel.control(CLEAR);
      redraw();
    };
    channel.control(ENTER);
    channel.sink.on('resize', this.#onResize);
  }

  /** Shows lines from the top of the screen. Those that have no room are left out. No line may be wider than the terminal. */
  draw(lines: readonly string[]): void {
    if (this.#closed) return;
    const frame = lines
      .slice(0, this.#channel.rows)
      .map((line) => `${this.#channel.shown(line)}${CLEAR_LINE_END}`)
      // No line end after the last one: it would scroll a screen that is full.
      .join('\r\n');
    if (frame === this.#drawn) return;
    this.#drawn = frame;
    this.#channel.control(`${BEGIN_FRAME}${HOME}${frame}${CLEAR_BELOW}${END_FRAME}`);
  }

  /** Restores the terminal. */
  [Symbol.dispose](): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#channel.sink.off('resize', this.#onResize);
    this.#channel.control(LEAVE);
  }
}
