/** How a piece of text is shown. Colours are numbers of the terminal's palette (0 to 15), or a colour as CSS has it. */
export interface Style {
  readonly color?: number | string;
  readonly ground?: number | string;
  readonly bold?: true;
  readonly dim?: true;
  readonly italic?: true;
  readonly underline?: true;
}

export interface Span {
  readonly text: string;
  readonly style: Style;
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what this matches
const SGR = /\u001b\[([0-9;:]*)m/g;

/** Splits a line into pieces by its colours and weights (SGR). It has no other control sequences: see `safeText`. */
export function spansOf(line: string): Span[] {
  if (!line.includes('\u001b')) return [{ text: line, style: {} }];
  const spans: Span[] = [];
  let style: Style = {};
  let at = 0;
  for (const match of line.matchAll(SGR)) {
    if (match.index > at) spans.push({ text: line.slice(at, match.index), style });
    style = changed(style, (match[1] ?? '').split(/[;:]/).map(Number));
    at = match.index + match[0].length;
  }
  if (at < line.length) spans.push({ text: line.slice(at), style });
  return spans;
}

/** A line without colours, as it is searched. */
export function plainOf(line: string): string {
  return line.includes('\u001b') ? line.replace(SGR, '') : line;
}

function changed(before: Style, codes: readonly number[]): Style {
  let style = before;
  for (let i = 0; i < codes.length; i += 1) {
    const code = codes[i] ?? 0;
    if (code === 38 || code === 48) {
      const [color, used] = extended(codes.slice(i + 1));
      i += used;
      if (color !== undefined) style = { ...style, [code === 38 ? 'color' : 'ground']: color };
    } else style = simple(style, code);
  }
  return style;
}

function simple(style: Style, code: number): Style {
  const { color: _, ground: __, bold: ___, dim: ____, italic: _____, underline: ______, ...none } = style;
  if (code === 0) return none;
  if (code === 1) return { ...style, bold: true };
  if (code === 2) return { ...style, dim: true };
  if (code === 3) return { ...style, italic: true };
  if (code === 4) return { ...style, underline: true };
  if (code === 22) return without(style, 'bold', 'dim');
  if (code === 23) return without(style, 'italic');
  if (code === 24) return without(style, 'underline');
  if (code >= 30 && code <= 37) return { ...style, color: code - 30 };
  if (code === 39) return without(style, 'color');
  if (code >= 40 && code <= 47) return { ...style, ground: code - 40 };
  if (code === 49) return without(style, 'ground');
  if (code >= 90 && code <= 97) return { ...style, color: code - 82 };
  if (code >= 100 && code <= 107) return { ...style, ground: code - 92 };
  return style;
}

function without(style: Style, ...names: readonly (keyof Style)[]): Style {
  return Object.fromEntries(Object.entries(style).filter(([name]) => !names.includes(name as keyof Style)));
}

/** Reads what follows 38 or 48: `5;n` or `2;r;g;b`. Returns the colour, if it is one, and how many codes it takes. */
function extended([kind, ...rest]: readonly number[]): [string | number | undefined, number] {
  if (kind === 5) return [paletteColor(rest[0] ?? -1), 2];
  if (kind !== 2) return [undefined, 0];
  const [r = -1, g = -1, b = -1] = rest;
  const isColor = [r, g, b].every((part) => part >= 0 && part <= 255);
  return [isColor ? `rgb(${r} ${g} ${b})` : undefined, 4];
}

/** A colour of the palette of 256: 16 named ones, a cube of 6 × 6 × 6, and 24 greys. */
function paletteColor(n: number): string | number | undefined {
  if (!Number.isInteger(n) || n < 0 || n > 255) return undefined;
  if (n < 16) return n;
  if (n >= 232) {
    const grey = 8 + (n - 232) * 10;
    return `rgb(${grey} ${grey} ${grey})`;
  }
  const cube = n - 16;
  const [r, g, b] = [Math.floor(cube / 36), Math.floor(cube / 6) % 6, cube % 6].map((part) =>
    part === 0 ? 0 : 55 + part * 40,
  );
  return `rgb(${r} ${g} ${b})`;
}
