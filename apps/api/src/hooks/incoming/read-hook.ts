import type { Request } from 'express';
import type { ApiConfig } from '../../config.ts';
import { BodyMemory } from '../../edge/body-memory.ts';
import { fieldProblem } from '../../http/api-problem.ts';
import { admitBody } from '../../http/body-gate.ts';
import { readAll } from '../../http/read-json.ts';

/** Reads the raw bodies of webhooks, within limits of size and memory. */
export class HookReader {
  readonly #maxBytes: number;
  readonly #memory: BodyMemory;

  constructor({ maxHookBytes, maxHookMemoryBytes }: Pick<ApiConfig, 'maxHookBytes' | 'maxHookMemoryBytes'>) {
    this.#maxBytes = maxHookBytes;
    this.#memory = new BodyMemory(maxHookMemoryBytes, Math.max(maxHookBytes, maxHookMemoryBytes / 4));
  }

  /**
   * `ip`: the sender's address.
   * @throws ApiProblem `unsupported_media_type`, `body_too_large`, `request_timeout`, `unavailable`, `too_many_requests`
   */
  async read(request: Request, mediaTypes: readonly string[], ip: string): Promise<Buffer> {
    checkType(request, mediaTypes);
    const length = Number(request.headers['content-length'] ?? 0);
    if (length > this.#maxBytes) {
      throw fieldProblem('body_too_large', 'body', `${length} bytes`, `at most ${this.#maxBytes} bytes`);
    }
    using held = this.#memory.hold(ip);
    admitBody(request);
    return await readAll(request, this.#maxBytes, held);
  }
}

function checkType({ headers }: Request, mediaTypes: readonly string[]): void {
  const encoding = headers['content-encoding'];
  if (encoding !== undefined && encoding !== 'identity') {
    throw fieldProblem('unsupported_media_type', 'header Content-Encoding', encoding.slice(0, 200), 'none');
  }
  const given = headers['content-type'];
  const type = given?.split(';', 1)[0]?.trim().toLowerCase();
  if (type !== undefined && mediaTypes.includes(type)) return;
  const got = given === undefined ? 'nothing' : JSON.stringify(given.slice(0, 200));
  throw fieldProblem('unsupported_media_type', 'header Content-Type', got, mediaTypes.join(' or '));
}
