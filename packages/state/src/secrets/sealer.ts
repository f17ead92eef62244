import { createCipheriv, createDecipheriv, createHmac, hkdfSync, randomBytes } from 'node:crypto';

/** A sealed text that can't be opened: it was sealed with an unknown key, altered, or moved from its place. */
export class SealBroken extends Error {
  readonly code = 'seal_broken';
}

const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const KEY_BYTES = 32;
const DIGEST_CHARS = 32;
const KEY_ID_BYTES = 4;

interface SealKey {
  readonly id: string;
  readonly key: Buffer;
}

/**
 * Seals texts for storage with AES-256-GCM. `context` binds a text to its place: it only opens with the same context.
 * A sealed text is `<key id>.<base64 of nonce, tag and ciphertext>`. One without a key id, from an earlier version, is tried with all
 * keys.
 */
export class Sealer {
  readonly #keys: readonly SealKey[];
  readonly #first: SealKey;
  readonly #digestKey: Buffer;

  /** @param keys 32 bytes each; the first one seals, all of them open */
  constructor(keys: Buffer | readonly Buffer[]) {
    this.#keys = (Buffer.isBuffer(keys) ? [keys] : keys).map((key) => {
      if (key.length !== KEY_BYTES) throw new RangeError(`expected keys of ${KEY_BYTES} bytes, got ${key.length}`);
      return { id: derived(key, 'kiln key id', KEY_ID_BYTES).toString('hex'), key };
    });
    const [first] = this.#keys;
    if (!first) throw new RangeError('expected at least one key');
    this.#first = first;
    this.#digestKey = derived(first.key, 'kiln digest', KEY_BYTES);
  }

  /** Id of the key that seals. It is derived from the key, which it doesn't reveal, so different keys have different ids. */
  get keyId(): string {
    return this.#first.id;
  }

  knows(keyId: string): boolean {
    return this.#keys.some(({ id }) => id === keyId);
  }

  /** A digest that is equal for equal texts, and that can't be computed without the key, so nobody can try out likely texts. */
  digest(text: string): string {
    return createHmac('sha256', this.#digestKey).update(text).digest('base64url').slice(0, DIGEST_CHARS);
  }

  seal(text: string, context: string): string {
    const { id, key } = this.#first;
    const nonce = randomBytes(NONCE_BYTES);
    const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(Buffer.from(context));
    const sealed = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()]);
    return `${id}.${Buffer.concat([nonce, cipher.getAuthTag(), sealed]).toString('base64')}`;
  }

  /** @throws SealBroken */
  open(sealed: string, context: string): string {
    const id = keyIdOf(sealed);
    const bytes = Buffer.from(id === undefined ? sealed : sealed.slice(id.length + 1), 'base64');
    for (const { key } of this.#keys.filter((known) => id === undefined || known.id === id)) {
      const text = opened(bytes, key, context);
      if (text !== undefined) return text;
    }
    if (id !== undefined && !this.knows(id)) {
      throw new SealBroken(`sealed with key ${id}, which is not among those given here`);
    }
    throw new SealBroken(id === undefined ? 'sealed with another key, or altered' : 'altered, or moved from its place');
  }
}

/** Id of the key that sealed a text, if the text contains it. */
export function keyIdOf(sealed: string): string | undefined {
  const at = sealed.indexOf('.');
  return at < 0 ? undefined : sealed.slice(0, at);
}

function derived(key: Buffer, purpose: string, bytes: number): Buffer {
  return Buffer.from(hkdfSync('sha256', key, '', purpose, bytes));
}

function opened(bytes: Buffer, key: Buffer, context: string): string | undefined {
  try {
    const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, NONCE_BYTES))
      .setAAD(Buffer.from(context))
      .setAuthTag(bytes.subarray(NONCE_BYTES, NONCE_BYTES + TAG_BYTES));
    return Buffer.concat([decipher.update(bytes.subarray(NONCE_BYTES + TAG_BYTES)), decipher.final()]).toString('utf8');
  } catch {
    return undefined;
  }
}
