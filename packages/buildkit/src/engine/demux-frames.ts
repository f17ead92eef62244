/** A piece of one of the two streams that the engine multiplexes on a connection. */
export interface Frame {
  readonly stream: 'stdout' | 'stderr';
  readonly data: Buffer;
}

const HEADER_BYTES = 8;

/**
 * Demultiplexes the engine's stdout and stderr (Engine API, "Stream format": one byte of stream type, three of padding, a
 * big-endian length of four). Passes data on as it arrives, so it never buffers more than a header.
 */
export class FrameDemuxer {
  #header = Buffer.alloc(0);
  #left = 0;
  #stream: Frame['stream'] = 'stdout';

  push(chunk: Buffer): Frame[] {
    const frames: Frame[] = [];
    let rest = chunk;
    while (rest.length > 0) {
      if (this.#left === 0) {
        const need = HEADER_BYTES - this.#header.length;
        this.#header = Buffer.concat([this.#header, rest.subarray(0, need)]);
        rest = rest.subarray(need);
        if (this.#header.length < HEADER_BYTES) break;
        this.#stream = this.#header[0] === 2 ? 'stderr' : 'stdout';
        this.#left = this.#header.readUInt32BE(4);
        this.#header = Buffer.alloc(0);
        continue;
      }
      const data = rest.subarray(0, this.#left);
      frames.push({ stream: this.#stream, data });
      this.#left -= data.length;
      rest = rest.subarray(data.length);
    }
    return frames;
  }
}
