import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { isAbsolute } from 'node:path';
import { WrongElement } from './read-list.ts';

/** A file with certificates of authorities. */
export interface CertificateFile {
  readonly path: string;
  readonly pem: string;
  readonly certificates: readonly Authority[];
}

export interface Authority {
  /** On one line, such as `CN=Corp Root CA, O=Corp`. */
  readonly subject: string;
  /** Ms since the epoch. */
  readonly expiresAt: number;
}

/** Larger ones than the bundles of systems and companies are taken for a mistake. */
const MAX_BYTES = 1_000_000;

/** Reads and checks a file of authorities. @throws WrongElement */
export function certificateFile(path: string): CertificateFile {
  const refuse = (why: string) => new WrongElement(`${JSON.stringify(path)} ${why}`);
  if (!isAbsolute(path)) throw refuse('is not an absolute path');
  let pem: string;
  try {
    pem = readFileSync(path, 'utf8');
  } catch (error) {
    throw refuse(`can’t be read (${(error as Error).message})`);
  }
  if (pem.length > MAX_BYTES) throw refuse(`has more than ${MAX_BYTES} bytes`);
  const found = pem.match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g) ?? [];
  if (found.length === 0) throw refuse('contains no certificate in PEM (-----BEGIN CERTIFICATE-----)');
  if (/PRIVATE KEY-----/.test(pem))
    throw refuse('contains a private key, which belongs to no authority that builds trust');
  const certificates = found.map((text, at) => {
    try {
      const { subject, validTo } = new X509Certificate(text);
      return { subject: subject.split('\n').reverse().join(', '), expiresAt: Date.parse(validTo) };
    } catch (error) {
      throw refuse(`contains a damaged certificate, number ${at + 1} of ${found.length} (${(error as Error).message})`);
    }
  });
  return { path, pem: `${found.join('\n')}\n`, certificates };
}
