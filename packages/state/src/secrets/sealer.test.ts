import { createCipheriv } from 'node:crypto';
import { expect, test } from 'vitest';
import { keyIdOf, SealBroken, Sealer } from './sealer.ts';

const [A, B, C] = [1, 2, 3].map((byte) => Buffer.alloc(32, byte)) as [Buffer, Buffer, Buffer];

test('a sealed text opens with its key and context, and with no other', () => {
  const sealed = new Sealer(A).seal('hunter22', 'here');
  expect(sealed).not.toContain('hunter22');
  expect(new Sealer(A).open(sealed, 'here')).toBe('hunter22');
  expect(new Sealer([B, A]).open(sealed, 'here')).toBe('hunter22');
  expect(() => new Sealer(A).open(sealed, 'there')).toThrow('altered, or moved from its place');
  expect(() => new Sealer([B, C]).open(sealed, 'here')).toThrow(
    new SealBroken(`sealed with key ${new Sealer(A).keyId}, which is not among those given here`),
  );
});

test('the first key seals, and sealed texts contain its id', () => {
  const sealer = new Sealer([B, A]);
  expect(keyIdOf(sealer.seal('x', ''))).toBe(new Sealer(B).keyId);
  expect([sealer.knows(new Sealer(A).keyId), sealer.knows(new Sealer(C).keyId)]).toEqual([true, false]);
  expect(sealer.keyId).toMatch(/^[0-9a-f]{8}$/);
  expect(sealer.seal('x', '')).not.toBe(sealer.seal('x', ''));
});

test.each([
  ['its key id', (sealed: string) => `${new Sealer(B).keyId}${sealed.slice(8)}`],
  ['its first byte', (sealed: string) => sealed.replace(/\.(.)/, (_, first) => `.${first === 'A' ? 'B' : 'A'}`)],
  ['its end', (sealed: string) => sealed.slice(0, -4)],
  ['all of it', () => ''],
])('a text with %s changed doesn’t open', (_, change) => {
  const sealer = new Sealer([A, B]);
  expect(() => sealer.open(change(sealer.seal('hunter22', 'here')), 'here')).toThrow(SealBroken);
});

test('a text of an earlier version, without a key id, opens with any of the keys', () => {
  const nonce = Buffer.alloc(12, 5);
  const cipher = createCipheriv('aes-256-gcm', A, nonce).setAAD(Buffer.from('here'));
  const text = Buffer.concat([cipher.update('hunter22'), cipher.final()]);
  const sealed = Buffer.concat([nonce, cipher.getAuthTag(), text]).toString('base64');
  expect(new Sealer([B, A]).open(sealed, 'here')).toBe('hunter22');
  expect(() => new Sealer([B, C]).open(sealed, 'here')).toThrow('sealed with another key, or altered');
});

test('keys of the wrong length are refused, and so is an empty list', () => {
  expect(() => new Sealer(Buffer.alloc(16))).toThrow('expected keys of 32 bytes, got 16');
  expect(() => new Sealer([])).toThrow('at least one key');
});
