/** Terminals that support synchronised output draw everything between these at once; others ignore them. */
export const BEGIN_FRAME = '\u001b[?2026h';
export const END_FRAME = '\u001b[?2026l';
export const CLEAR_LINE_END = '\u001b[K';
export const CLEAR_BELOW = '\u001b[J';
