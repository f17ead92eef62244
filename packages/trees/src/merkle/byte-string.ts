/**
 * A name or path as bytes, one character for each byte (Latin-1). File names on Linux may be any bytes, which text in UTF-8 can't hold; as
 * strings they can be keys, and compare in the order of their bytes.
 */
export type ByteString = string & { readonly [BYTES]: true };
declare const BYTES: unique symbol;

/** Returns the bytes of `text` in UTF-8 as a byte string. */
export function byteString(text: string): ByteString {
  return Buffer.from(text, 'utf8').toString('latin1') as ByteString;
}

export function fromBytes(bytes: Uint8Array): ByteString {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1') as ByteString;
}

/** Returns the bytes, as calls of the file system take them. */
export function toBytes(value: ByteString): Buffer {
  return Buffer.from(value, 'latin1');
}

/** Returns text for people; bytes that aren't UTF-8 become U+FFFD. */
export function shownBytes(value: ByteString): string {
  return toBytes(value).toString('utf8');
}

/** Joins a directory's path, empty for the root, with a name in it. */
export function joinBytes(directory: ByteString, name: ByteString): ByteString {
  return (directory === '' ? name : `${directory}/${name}`) as ByteString;
}
