import { cpuMs, seededBytes } from '@kiln/runtime/testing';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { bytesNeedles, maskText, SecretMasker, secretNeedles } from './mask-secrets.ts';

function maskInChunks(text: string, secrets: string[], cuts: readonly number[]): string {
  const masker = new SecretMasker(secretNeedles(secrets));
  let shown = '';
  let from = 0;
  for (const cut of [...cuts, text.length]) {
    const to = Math.max(from, Math.min(text.length, cut));
    shown += masker.push(text.slice(from, to));
    from = to;
  }
  return shown + masker.end();
}

test('masks a value anywhere in a text', () => {
  expect(maskText('a hunter22 b hunter22', secretNeedles(['hunter22']))).toBe('a *** b ***');
});

test('does not mask values shorter than four characters', () => {
  expect(maskText('yes ab no', secretNeedles(['ab', '', ' \n']))).toBe('yes ab no');
});

test('masks a value that is split over any two pushes', () => {
  const text = 'before hunter22 after';
  for (let cut = 0; cut <= text.length; cut++) expect(maskInChunks(text, ['hunter22'], [cut])).toBe('before *** after');
});

test('returns held text as soon as it can no longer be the beginning of a secret', () => {
  const masker = new SecretMasker(secretNeedles(['hunter22']));
  expect(masker.push('my hunt')).toBe('my ');
  expect(masker.push('ing dog')).toBe('hunting dog');
  expect(masker.push(' hun')).toBe(' ');
  expect(masker.end()).toBe('hun');
});

test('masks base64 of a value, alone and within a longer text, at each alignment', () => {
  const needles = secretNeedles(['correct horse']);
  for (const lead of ['', 'u', 'us', 'user:']) {
    const encoded = Buffer.from(`${lead}correct horse and more`).toString('base64');
    const masked = maskText(encoded, needles);
    expect(masked).toContain('***');
    expect(Buffer.from(masked.split('***').join(''), 'base64').toString('latin1')).not.toContain('orrect hors');
  }
  expect(maskText(Buffer.from('correct horse').toString('base64url'), needles)).toBe('***');
});

test('masks a value without its trailing newline, each of its lines, and its escaped form', () => {
  const key = '-----BEGIN KEY-----\nMIIEvQIBADANBgkq\nhkiG9w0BAQEFAASC\n-----END KEY-----\n';
  const needles = secretNeedles([key, 'p&ss "w" rd']);
  expect(maskText(`x${key.trim()}y`, needles)).toBe('x***y');
  expect(maskText('line MIIEvQIBADANBgkq\n', needles)).toBe('line ***\n');
  expect(maskText(JSON.stringify({ key }), needles)).toBe('{"key":"***"}');
  expect(maskText(`https://u:${encodeURIComponent('p&ss "w" rd')}@h`, needles)).toBe('https://u:***@h');
});

test('masks a value as encoders of Go, Python, PHP and Java write it in JSON, and in JSON within JSON', () => {
  const value = `db&<"ä/€'>\u{1f512}`;
  const needles = secretNeedles([value]);
  const forms = [
    'db\\u0026\\u003c\\"ä/€\'\\u003e\u{1f512}',
    'db&<\\"\\u00e4/\\u20ac\'>\\ud83d\\udd12',
    'db&<\\"\\u00e4\\/\\u20ac\'>\\ud83d\\udd12',
    'db\\u0026\\u003C\\"\\u00E4/\\u20AC\\u0027\\u003E\\uD83D\\uDD12',
  ];
  for (const form of forms) {
    expect(JSON.parse(`"${form}"`)).toBe(value);
    expect(maskText(`{"dsn":"${form}"}`, needles)).toBe('{"dsn":"***"}');
    expect(maskText(JSON.stringify({ log: form }), needles)).toBe('{"log":"***"}');
  }
});

test('masks a value as encoders of XML and HTML write it', () => {
  const needles = secretNeedles([`a&b<c>"d'`]);
  for (const form of [
    `a&amp;b&lt;c>"d'`,
    `a&amp;b&lt;c&gt;"d'`,
    `a&amp;b&lt;c&gt;&quot;d&apos;`,
    'a&amp;b&lt;c&gt;&quot;d&#039;',
    'a&amp;b&lt;c&gt;&quot;d&#x27;',
    'a&amp;b&lt;c&gt;&#34;d&#39;',
  ]) {
    expect(maskText(`<p>${form}</p>`, needles)).toBe('<p>***</p>');
  }
});

test('masks a value in every variant of URL and form encoding', () => {
  const value = "a/b c+d'(e)!~ä&=%";
  const needles = secretNeedles([value]);
  const strict = encodeURIComponent(value).replace(
    /[!'()~]/g,
    (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
  );
  for (const encoded of [
    encodeURIComponent(value),
    encodeURIComponent(value).replace(/%../g, (code) => code.toLowerCase()),
    encodeURI(value),
    new URLSearchParams({ x: value }).toString().slice(2),
    // Python's quote, quote(safe="") and quote_plus.
    encodeURIComponent(value)
      .replaceAll('%2F', '/')
      .replace(/[!'()]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`),
    strict,
    strict.replaceAll('%20', '+'),
  ]) {
    expect([encoded, maskText(`q=${encoded};`, needles)]).toEqual([encoded, 'q=***;']);
  }
});

describe('base64 with line breaks', () => {
  const token = 'github_pat_11ABCDEFG0aBcDeFgHiJkL_mNoPqRsTuVwXyZ0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOP';
  const wrap = (text: string, columns: number, end = '\n') =>
    text.replace(new RegExp(`.{${columns}}(?=.)`, 'g'), `$&${end}`) + end;

  test.each([
    [76, '\n'],
    [64, '\n'],
    [76, '\r\n'],
    [20, '\n'],
  ])('after %i characters, ended by %j, wherever the value stands in it and however it comes', (columns, end) => {
    for (let lead = 0; lead < 60; lead++) {
      const encoded = wrap(Buffer.from(`${'u'.repeat(lead)}${token} and more`).toString('base64'), columns, end);
      for (const cuts of [
        [],
        [...encoded.matchAll(/\n/g)].map(({ index }) => index + 1),
        [lead, lead + 9, lead + 70],
      ]) {
        const masked = maskInChunks(
          `it is\n${encoded}done\n`,
          [token],
          cuts.map((cut) => cut + 6),
        );
        expect(masked).toMatch(/^it is\n[\w+/=\s]*\*\*\*[\w+/=\s*]*done\n$/);
        const left = masked.split('***').map((part) => Buffer.from(part, 'base64').toString('latin1'));
        // The end of a line had already returned two characters.
        for (let at = 0; at + 3 <= token.length; at++) expect(left.join('|')).not.toContain(token.slice(at, at + 3));
      }
    }
  });

  test('does not hold back a line for its last character, nor any line for ever', () => {
    const masker = new SecretMasker(secretNeedles([token]));
    const head = Buffer.from(token).toString('base64').slice(0, 10);
    expect(masker.push(`line ${head[0]}\n`)).toBe(`line ${head[0]}\n`);
    expect(masker.push(`line ${head}\n`)).toBe('line ');
    expect(masker.push('\n')).toBe(`${head}\n\n`);
  });

  test('leaves similar text unmasked', () => {
    const text = 'two\nwords\nin lines\n';
    expect(maskText(text, secretNeedles(['twowordsin']))).toBe(text);
  });
});

test('masks the longer of two values with a common prefix, and both of two that overlap', () => {
  expect(maskInChunks('x abcdefgh y', ['abcd', 'abcdefgh'], [4, 6, 8])).toBe('x *** y');
  expect(maskInChunks('x abcdef y', ['abcd', 'cdef'], [5, 7])).toBe('x *** y');
});

test('holds back no more than a secret’s length, even of a text that repeats it', () => {
  const masker = new SecretMasker(secretNeedles(['aaaaaaaa']));
  let shown = '';
  for (let i = 0; i < 1000; i++) shown += masker.push('aaaaa');
  expect(shown + masker.end()).toBe('***');
});

test.each([
  ['wholly', 0],
  ['after some lines', 1_000],
])('masks a large secret that repeats itself %s, in time that does not grow with its square', async (_, from) => {
  const secret = Buffer.concat([
    seededBytes(from, 'large'),
    Buffer.alloc(200 * 1024, Buffer.from('01fffe80c3280a', 'hex')),
  ]);
  const text = secret.toString('base64').replace(/.{76}/g, '$&\n');
  const masker = new SecretMasker(bytesNeedles([secret]));
  let shown = '';
  const spent = await cpuMs(() => {
    for (let at = 0; at < text.length; at += 500) shown += masker.push(text.slice(at, at + 500));
    shown += masker.end();
  });
  expect(shown).toMatch(/^\*\*\*[=\n]{0,3}$/);
  // It takes about 200; trying each place took minutes.
  expect(spent).toBeLessThan(10_000);
});

test('masks a text the same way however it is split, and leaves no secret in it', () => {
  const letters = fc.string({ unit: fc.constantFrom('a', 'b', 'c', 'd'), maxLength: 60 });
  const secret = fc.string({ unit: fc.constantFrom('a', 'b', 'c', 'd'), minLength: 4, maxLength: 7 });
  fc.assert(
    fc.property(
      letters,
      fc.array(secret, { minLength: 1, maxLength: 3 }),
      fc.array(fc.nat(60)),
      (text, secrets, cuts) => {
        const masked = maskInChunks(
          text,
          secrets,
          cuts.sort((a, b) => a - b),
        );
        expect(masked).toBe(maskText(text, secretNeedles(secrets)));
        for (const value of secrets) expect(masked).not.toContain(value);
      },
    ),
    { numRuns: 700 },
  );
});

test.each(['base64', 'base64url', 'hex'] as const)(
  'masks bytes that are no text in %s, alone and after other bytes',
  (encoding) => {
    const bytes = Buffer.from('00ff80fe7f01c3280102030405060708090a0b0c', 'hex');
    const needles = bytesNeedles([bytes]);
    expect(maskText(bytes.toString(encoding), needles)).toBe('***');
    expect(maskText(`${bytes.toString('hex').toUpperCase()}!`, needles)).toBe('***!');
    const after = maskText(Buffer.concat([Buffer.from('a'), bytes]).toString(encoding), needles);
    expect(after).toMatch(/^.{1,3}\*\*\*.{0,2}$/);
  },
);
