import { type FieldProblem, fieldProblems, type KilnConfig, kilnConfig } from '@kiln/contracts';
import { type Document, isMap, isScalar, LineCounter, type Node, parseDocument, visit } from 'yaml';
import type { z } from 'zod';

/** A problem of a configuration file. Line and column count from 1. */
export interface ConfigProblem extends FieldProblem {
  readonly line: number;
  readonly column: number;
}

export class InvalidConfig extends Error {
  readonly code = 'invalid_config';
  readonly problems: readonly [ConfigProblem, ...ConfigProblem[]];

  constructor(problems: InvalidConfig['problems']) {
    super(problems.map(({ line, column, field, expected }) => `${line}:${column}: ${field}: ${expected}`).join('\n'));
    this.problems = problems;
  }
}

/** Real configurations are far smaller. */
const MAX_CHARS = 32 * 1024;
const MAX_DEPTH = 100;
const MAX_PROBLEMS = 50;

/**
 * Parses `.kiln.yaml`.
 * @throws InvalidConfig only
 */
export function parseConfig(text: string): KilnConfig {
  if (text.length > MAX_CHARS) {
    throw invalid(`${text.length} characters`, `at most ${MAX_CHARS} characters`);
  }
  if (isTooDeep(text)) throw invalid('deeper nesting', `at most ${MAX_DEPTH} levels`);
  try {
    return parseYaml(text);
  } catch (error) {
    // The YAML library is recursive, and a hostile file may exhaust the stack.
    if (error instanceof RangeError) throw invalid('deeper nesting', `at most ${MAX_DEPTH} levels`);
    throw error;
  }
}

function parseYaml(text: string): KilnConfig {
  const lines = new LineCounter();
  const document = parseDocument(text, {
    lineCounter: lines,
    uniqueKeys: true,
    prettyErrors: false,
    merge: true,
    logLevel: 'error',
  });
  const [first, ...rest] = document.errors.map((error): ConfigProblem => {
    const { line, col } = lines.linePos(error.pos[0]);
    return { line, column: col, field: 'file', got: 'invalid YAML', expected: firstLine(error.message) };
  });
  if (first) throw new InvalidConfig([first, ...rest.slice(0, MAX_PROBLEMS)]);
  refuseProto(document, lines);
  const value = toValue(document);
  const parsed = kilnConfig.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new InvalidConfig(located(parsed.error, value, document, lines));
}

function invalid(got: string, expected: string, line = 1, column = 1): InvalidConfig {
  return new InvalidConfig([{ line, column, field: 'file', got, expected }]);
}

/** Indicators of block collections, which white space follows. */
const INDICATORS: ReadonlySet<string> = new Set(['-', '?', ':']);
const MAX_DASHES = 100;

/**
 * Guards the YAML library, which takes seconds for some ten thousand open brackets or dashes. Also counts those in quotes and comments,
 * which only matters for files that nobody writes.
 */
function isTooDeep(text: string): boolean {
  let depth = 0;
  let dashes = 0;
  let before = '';
  for (const character of text) {
    if (INDICATORS.has(character)) {
      // Several without white space between them are text.
      if (INDICATORS.has(before)) dashes = 0;
    } else if (character !== ' ' && character !== '\t') dashes = 0;
    else if (INDICATORS.has(before)) dashes += 1;
    if (dashes >= MAX_DASHES) return true;
    before = character;
    if (character === '[' || character === '{') depth += 1;
    else if (character === ']' || character === '}') depth = Math.max(0, depth - 1);
    if (depth > MAX_DEPTH) return true;
  }
  return false;
}

function toValue(document: Document.Parsed): unknown {
  try {
    return document.toJS({ maxAliasCount: 100 }) as unknown;
  } catch (error) {
    if (error instanceof RangeError) throw error;
    throw invalid('aliases', firstLine(error instanceof Error ? error.message : String(error)));
  }
}

/** Refuses the key `__proto__`, which code that copies objects would silently drop. */
function refuseProto(document: Document.Parsed, lines: LineCounter): void {
  visit(document, {
    Pair: (_, { key }) => {
      if (!isScalar(key) || key.value !== '__proto__') return;
      const { line, col } = lines.linePos(key.range?.[0] ?? 0);
      throw new InvalidConfig([{ line, column: col, field: '__proto__', got: 'a key', expected: 'no such field' }]);
    },
  });
}

function located(
  error: z.core.$ZodError,
  value: unknown,
  document: Document.Parsed,
  lines: LineCounter,
): InvalidConfig['problems'] {
  const [first, ...rest] = error.issues.slice(0, MAX_PROBLEMS).flatMap((issue) => {
    const paths =
      issue.code === 'unrecognized_keys' ? issue.keys.map((key) => [...issue.path, key]) : [[...issue.path]];
    return fieldProblems({ issues: [issue] } as unknown as z.core.$ZodError, value).map((problem, i) => {
      const { line, col } = lines.linePos(offsetOf(document, paths[i] ?? issue.path));
      const field = problem.field === 'body' ? 'file' : problem.field;
      return { ...problem, field, line, column: col };
    });
  });
  return first ? [first, ...rest] : invalid('nothing', 'a configuration').problems;
}

/** The offset of a field's key; for a missing field, that of the map that should contain it. */
function offsetOf(document: Document.Parsed, path: readonly PropertyKey[]): number {
  let node: Node | null = document.contents;
  let offset = node?.range?.[0] ?? 0;
  for (const part of path) {
    if (isMap(node)) {
      const pair = node.items.find(({ key }) => isScalar(key) && String(key.value) === String(part));
      if (!pair) return offset;
      offset = (pair.key as Node).range?.[0] ?? offset;
      node = pair.value as Node | null;
    } else {
      node = itemOf(node, part);
      if (!node) return offset;
      offset = node.range?.[0] ?? offset;
    }
  }
  return offset;
}

function itemOf(node: Node | null, part: PropertyKey): Node | null {
  return node && 'items' in node ? ((node.items as Node[])[Number(part)] ?? null) : null;
}

function firstLine(message: string): string {
  return message.split('\n')[0] ?? message;
}
