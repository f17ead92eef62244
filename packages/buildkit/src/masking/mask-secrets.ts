import { isMasked, MIN_MASKED_CHARS } from '@kiln/domain';
import { Needle } from './needle.ts';
import { WrappedNeedles } from './wrapped-needles.ts';

/** Single lines of a longer secret, such as a key file, are masked from this length. */
const MIN_LINE_CHARS = 8;
export const MASK = '***';

/**
 * Returns every text that would reveal a secret: its value, trimmed and untrimmed, its longer lines, and each of these in base64 (also
 * within a longer base64 text), base64url, JSON (also JSON within JSON), XML and HTML, URL and form encoding.
 */
export function secretNeedles(values: Iterable<string>): string[] {
  const needles = new Set<string>();
  for (const value of values) {
    for (const plain of plainForms(value)) {
      for (const form of [plain, ...base64Forms(Buffer.from(plain, 'utf8')), ...escapedForms(plain)]) {
        if (form.length >= MIN_MASKED_CHARS) needles.add(form);
      }
    }
  }
  return [...needles].sort((a, b) => b.length - a.length);
}

/** Returns the texts that would reveal bytes that are no text: in base64, base64url and hexadecimal. Much cheaper than `secretNeedles`. */
export function bytesNeedles(secrets: Iterable<Buffer>): string[] {
  return [...secrets]
    .filter((bytes) => bytes.length >= MIN_MASKED_CHARS)
    .flatMap((bytes) => [...base64Forms(bytes), bytes.toString('hex'), bytes.toString('hex').toUpperCase()]);
}

function plainForms(value: string): string[] {
  const lines = value.split(/\r?\n/).map((line) => line.trim());
  const long = lines.length > 1 ? lines.filter((line) => line.length >= MIN_LINE_CHARS) : [];
  return [value, value.trim(), ...long].filter(isMasked);
}

function escapedForms(plain: string): string[] {
  return [...jsonForms(plain), ...markupForms(plain), ...urlForms(plain.toWellFormed())];
}

/**
 * JSON as different encoders write it: Go escapes `&`, `<` and `>`, PHP the slash, and Python and PHP everything beyond ASCII, with
 * digits of either case. Each also once more as a text within JSON, as in a log record that quotes a document.
 */
function jsonForms(plain: string): string[] {
  const bare = JSON.stringify(plain).slice(1, -1);
  const escaped = [bare, unicodeEscapes(bare, /[&<>\u2028\u2029]/g), unicodeEscapes(bare, /[&<>'\u2028\u2029]/g)]
    .flatMap((form) => [form, unicodeEscapes(form, /[\u007f-\uffff]/g)])
    .flatMap((form) => [form, form.replaceAll('/', '\\/')])
    .flatMap((form) => [form, form.replace(/\\u[0-9a-f]{4}/g, (code) => `\\u${code.slice(2).toUpperCase()}`)]);
  return [...new Set(escaped)].flatMap((form) => [form, JSON.stringify(form).slice(1, -1)]);
}

function unicodeEscapes(text: string, chars: RegExp): string {
  return text.replace(chars, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** Names that encoders of XML and HTML have for `"` and `'`; some leave them as they are in texts. */
const QUOTES = [
  ['"', "'"],
  ['&quot;', "'"],
  ['&quot;', '&apos;'],
  ['&quot;', '&#39;'],
  ['&quot;', '&#039;'],
  ['&quot;', '&#x27;'],
  ['&#34;', '&#39;'],
] as const;

function markupForms(plain: string): string[] {
  const text = plain.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
  return [text, text.replaceAll('>', '&gt;')].flatMap((form) =>
    QUOTES.map(([double, single]) => form.replaceAll('"', double).replaceAll("'", single)),
  );
}

/** Encoders differ in which marks they escape, in how they write a space, and in the case of their digits. */
function urlForms(plain: string): string[] {
  const component = encodeURIComponent(plain);
  const marked = ["!'()", "!'()*", "!'()~", "!'()*~"].map((marks) => escapeMarks(component, marks));
  const sloped = [component, ...marked].flatMap((form) => [form, form.replaceAll('%2F', '/')]);
  const spaced = sloped.flatMap((form) => [form, form.replaceAll('%20', '+')]);
  return [encodeURI(plain), ...spaced].flatMap((form) => [
    form,
    form.replace(/%[0-9A-F]{2}/g, (code) => code.toLowerCase()),
  ]);
}

function escapeMarks(text: string, marks: string): string {
  return Array.from(text, (char) =>
    marks.includes(char) ? `%${char.charCodeAt(0).toString(16).toUpperCase()}` : char,
  ).join('');
}

/** Base64 of `bytes` at each of its three alignments, without the characters that also encode bits of adjacent text. */
function base64Forms(bytes: Buffer): string[] {
  const inner = [0, 1, 2].map((lead) => {
    const encoded = Buffer.concat([Buffer.alloc(lead), bytes]).toString('base64');
    return encoded.slice(Math.ceil((lead * 8) / 6), Math.floor(((lead + bytes.length) * 8) / 6));
  });
  const whole = bytes.toString('base64');
  return [whole, whole.replace(/={1,2}$/, ''), ...inner].flatMap((form) => [
    form,
    form.replaceAll('+', '-').replaceAll('/', '_'),
  ]);
}

/** The range of a secret, as offsets in the stream. */
type Range = readonly [from: number, to: number];

/**
 * Replaces secrets in a stream of text by `***`, also if a secret is split over several pushes: text that may be the beginning of one is
 * held back until the next push, or the end. Line breaks within base64 are ignored. Takes time linear in the text, so that no build can keep its worker busy.
 */
export class SecretMasker {
  readonly #needles: readonly Needle[];
  readonly #wrapped: WrappedNeedles;
  /** Text that hasn't been returned yet: a proper prefix of some secret. */
  #held = '';
  /** Length of the stream so far. */
  #length = 0;
  /** Secrets in `#held`, in order, without those that touch or overlap. */
  #found: Range[] = [];
  /** Up to which offset the mask has already been returned. */
  #maskedTo = 0;

  /** @param needles from `secretNeedles` */
  constructor(needles: readonly string[]) {
    this.#needles = needles.map((needle) => new Needle(needle));
    this.#wrapped = new WrappedNeedles(needles);
  }

  push(text: string): string {
    if (this.#needles.length === 0) return text;
    const start = this.#start;
    this.#find(text);
    this.#held += text;
    this.#length += text.length;
    const matched = this.#needles.reduce((most, needle) => Math.max(most, needle.matched), 0);
    return this.#advance(Math.max(start, Math.min(this.#length - matched, this.#wrapped.holdFrom)));
  }

  end(): string {
    for (const needle of this.#needles) needle.reset();
    this.#wrapped.reset();
    const rest = this.#advance(this.#length);
    this.#length = 0;
    this.#maskedTo = 0;
    return rest;
  }

  /** Offset of what is held. */
  get #start(): number {
    return this.#length - this.#held.length;
  }

  /** Returns what is held up to an offset, masked. */
  #advance(upTo: number): string {
    const start = this.#start;
    const isBegun = this.#maskedTo > start;
    let at = Math.max(start, this.#maskedTo);
    let shown = '';
    let passed = 0;
    for (const [from, to] of this.#found) {
      // The mask of the first one may already have been returned.
      const isReturned = isBegun && passed === 0;
      // What begins later is masked later.
      if (from >= upTo && !isReturned) break;
      if (!isReturned) shown += this.#held.slice(at - start, from - start) + MASK;
      at = Math.max(at, to);
      passed += 1;
    }
    if (at < upTo) shown += this.#held.slice(at - start, upTo - start);
    this.#held = this.#held.slice(upTo - start);
    this.#maskedTo = at;
    this.#found.splice(0, passed);
    if (at > upTo) this.#found.unshift([upTo, at]);
    return shown;
  }

  /** Adds the secrets that end in the next part of the stream. */
  #find(text: string): void {
    const start = this.#start;
    const found: Range[] = [];
    // The first characters of one may have been returned at the end of a line.
    const add = (from: number, to: number) => found.push([Math.max(start, from), to]);
    for (const needle of this.#needles) {
      needle.feed(text, (end) => add(this.#length + end - needle.length, this.#length + end));
    }
    this.#wrapped.feed(text, add);
    if (found.length > 0) this.#found = merged([...this.#found, ...found]);
  }
}

function merged(ranges: readonly Range[]): Range[] {
  const result: [number, number][] = [];
  for (const [from, to] of ranges.toSorted((a, b) => a[0] - b[0])) {
    const before = result.at(-1);
    if (before && from <= before[1]) before[1] = Math.max(before[1], to);
    else result.push([from, to]);
  }
  return result;
}

/** Masks the secrets in a complete text. */
export function maskText(text: string, needles: readonly string[]): string {
  if (needles.length === 0) return text;
  const masker = new SecretMasker(needles);
  return masker.push(text) + masker.end();
}
