import { parseBytes } from './units.ts';

/** An amount of space: a number of bytes, or a share of a whole, above 0 and at most 1. */
export type Amount = { readonly bytes: number } | { readonly share: number };

/** Parses a size such as `200GB` (as in docker's flags, units count 1024) or a percentage such as `40%`; undefined if it is neither, or more than 100%. */
export function parseAmount(text: string): Amount | undefined {
  const [, percent] = /^(\d{1,3}(?:\.\d{1,3})?)%$/.exec(text) ?? [];
  if (percent === undefined) {
    const bytes = parseBytes(text, 1024);
    return bytes === undefined ? undefined : { bytes };
  }
  const share = Number(percent) / 100;
  return share <= 1 ? { share } : undefined;
}

/** Returns the amount in bytes. @param totalBytes the whole of which it may be a share */
export function amountOf(amount: Amount, totalBytes: number): number {
  return 'bytes' in amount ? amount.bytes : Math.floor(amount.share * totalBytes);
}
