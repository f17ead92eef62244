import type { Flag } from './flag.ts';
import type { Segment } from './segment.ts';

/** One change to the catalog, as it is written to the journal, listed in the audit log and sent to listeners. */
export type Change = { readonly sequence: number; readonly at: string; readonly actor: string } & (
  | { readonly kind: 'flag_saved'; readonly flag: Flag }
  | { readonly kind: 'flag_deleted'; readonly key: string }
  | { readonly kind: 'segment_saved'; readonly segment: Segment }
  | { readonly kind: 'segment_deleted'; readonly key: string }
);

export type ChangeKind = Change['kind'];

export function changedKey(change: Change): string {
  switch (change.kind) {
    case 'flag_saved':
      return change.flag.key;
    case 'segment_saved':
      return change.segment.key;
    case 'flag_deleted':
    case 'segment_deleted':
      return change.key;
  }
}
