import { createCipheriv, createDecipheriv, createHmac, hkdfSync, randomBytes } from 'node:crypto';

/** A sealed text that this key doesn't open: another key, or altered bytes. */
export class SealBroken extends Error {
  readonly code = 'seal_broken';
  constructor() {
    super('sealed with another key, or altered');
  }
}

const NONCE_BYTES = 12;
const TAG_BYTES = 16;

const DIGEST_CHARS = 32;

/** Seals texts for storage with AES-256-GCM. The key has 32 bytes; `context` binds a seal to its place. */
export class Sealer {
  readonly #key: Buffer;
  readonly #digestKey: Buffer;

  constructor(key: Buffer) {
    if (key.length !== 32) throw new RangeError(`expected a key of 32 bytes, got ${key.length}`);
    this.#key = key;
    this.#digestKey = Buffer.from(hkdfSync('sha256', key, '', 'kiln digest', 32));
  }

  /** Equal for equal texts, and without the key no way to try out what a text may have held. */
  digest(text: string): string {
    return createHmac('sha256', this.#digestKey).update(text).digest('base64url').slice(0, DIGEST_CHARS);
  }

  /** Base64 of nonce, tag and ciphertext. */
  seal(text: string, context: string): string {
    const nonce = randomBytes(NONCE_BYTES);
    const cipher = createCipheriv('aes-256-gcm', this.#key, nonce).setAAD(Buffer.from(context));
    const sealed = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()]);
    return Buffer.concat([nonce, cipher.getAuthTag(), sealed]).toString('base64');
  }

  /** @throws SealBroken */
  open(sealed: string, context: string): string {
    const bytes = Buffer.from(sealed, 'base64');
    try {
      const decipher = createDecipheriv('aes-256-gcm', this.#key, bytes.subarray(0, NONCE_BYTES))
        .setAAD(Buffer.from(context))
        .setAuthTag(bytes.subarray(NONCE_BYTES, NONCE_BYTES + TAG_BYTES));
      return Buffer.concat([decipher.update(bytes.subarray(NONCE_BYTES + TAG_BYTES)), decipher.final()]).toString(
        'utf8',
      );
    } catch {
      throw new SealBroken();
    }
  }
}
