import type { Request } from 'express';
import { admitBody } from '../../http/body-gate.ts';
import { Complaint, fieldComplaint } from '../../http/complaint.ts';
import { readAll } from '../../http/read-json.ts';

/** An honest forge has sent its webhook after so long, ms. */
const SENT_WITHIN_MS = 30_000;
/** Bodies that are being read, together: whoever can reach the API can send some, and they lie in memory until they are checked. */
const MAX_HELD_BYTES = 256 * 1024 * 1024;

/** Reads bodies of webhooks, whole and as they come, without looking into them. */
export class HookReader {
  readonly #maxBytes: number;
  #heldBytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** @throws Complaint `unsupported_media_type`, `body_too_large`, `invalid_request`, `unavailable` */
  async read(request: Request, mediaTypes: readonly string[]): Promise<Buffer> {
    checkType(request, mediaTypes);
    const length = Number(request.headers['content-length'] ?? this.#maxBytes);
    if (length > this.#maxBytes) {
      throw fieldComplaint('body_too_large', 'body', `${length} bytes`, `at most ${this.#maxBytes} bytes`);
    }
    if (this.#heldBytes + length > MAX_HELD_BYTES) {
      const headers = { 'Retry-After': '5' };
      throw new Complaint('unavailable', 'too many webhooks are being read at the moment', { headers });
    }
    this.#heldBytes += length;
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      request.destroy();
    }, SENT_WITHIN_MS);
    try {
      admitBody(request);
      return await readAll(request, this.#maxBytes);
    } catch (error) {
      if (!isLate) throw error;
      throw fieldComplaint('invalid_request', 'body', 'a part of it', `all of it within ${SENT_WITHIN_MS / 1_000} s`);
    } finally {
      clearTimeout(timer);
      this.#heldBytes -= length;
    }
  }
}

function checkType({ headers }: Request, mediaTypes: readonly string[]): void {
  const encoding = headers['content-encoding'];
  if (encoding !== undefined && encoding !== 'identity') {
    throw fieldComplaint('unsupported_media_type', 'header Content-Encoding', encoding.slice(0, 200), 'none');
  }
  const given = headers['content-type'];
  const type = given?.split(';', 1)[0]?.trim().toLowerCase();
  if (type !== undefined && mediaTypes.includes(type)) return;
  const got = given === undefined ? 'nothing' : JSON.stringify(given.slice(0, 200));
  throw fieldComplaint('unsupported_media_type', 'header Content-Type', got, mediaTypes.join(' or '));
}
