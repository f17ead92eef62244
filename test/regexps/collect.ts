import { globSync, readFileSync } from 'node:fs';
import { parseSync, Visitor } from 'oxc-parser';
import { z } from 'zod';

/** A regular expression in a source file. */
export interface FoundRegexp {
  /** `file:line`, relative to the root of the project. */
  readonly at: string;
  readonly source: string;
  readonly flags: string;
}

/** A regular expression that is made at run time, so that its source cannot be determined from the code. */
export interface MadeRegexp {
  readonly at: string;
  readonly code: string;
}

export interface Found {
  readonly regexps: readonly FoundRegexp[];
  readonly made: readonly MadeRegexp[];
  /** Formats of zod (`z.….name()`), by name. */
  readonly formats: ReadonlyMap<string, string>;
}

const ROOT = new URL('../../', import.meta.url).pathname;

type Node = { readonly type: string; readonly start: number } & Readonly<Record<string, unknown>>;

/** Collects every regular expression of the production code: literals, `RegExp(…)` of constants, formats of zod. */
export function collectRegexps(): Found {
  const regexps: FoundRegexp[] = [];
  const made: MadeRegexp[] = [];
  const formats = new Map<string, string>();
  for (const file of globSync('{apps,packages}/*/src/**/*.ts', { cwd: ROOT }).sort()) {
    if (file.endsWith('.test.ts') || file.includes('/testing/')) continue;
    collectFrom(file, readFileSync(ROOT + file, 'utf8'), { regexps, made, formats });
  }
  return { regexps, made, formats };
}

/** Adds the regular expressions of one file to `found`. @throws SyntaxError if the text is not TypeScript */
export function collectFrom(
  file: string,
  text: string,
  found: { readonly regexps: FoundRegexp[]; readonly made: MadeRegexp[]; readonly formats: Map<string, string> },
): void {
  const { program, errors } = parseSync(file, text);
  if (errors.length > 0) throw new SyntaxError(`${file}: ${errors[0]?.message}`);
  const at = ({ start }: Node) => `${file}:${text.slice(0, start).split('\n').length}`;
  const constants = new Map<string, string>();
  const construct = (node: Node) => {
    if ((node.callee as Node).name !== 'RegExp') return;
    const [source, flags] = node.arguments as Node[];
    // A copy of another regular expression has the same source.
    const pattern = source && (regexpOf(source)?.pattern ?? stringOf(source, constants));
    const flagText = flags === undefined ? '' : stringOf(flags, constants);
    if (pattern === undefined || flagText === undefined) made.push({ at: at(node), code: codeOf(node, text) });
    else if (!source || !regexpOf(source)) found.regexps.push({ at: at(node), source: pattern, flags: flagText });
  };
  const { made } = found;
  new Visitor({
    VariableDeclarator: (node) => {
      const { id, init } = node as unknown as { id: Node; init: Node | null };
      const value = init ? stringOf(init, constants) : undefined;
      if (id.type === 'Identifier' && value !== undefined) constants.set(id.name as string, value);
    },
    Literal: (node) => {
      const regexp = regexpOf(node as unknown as Node);
      if (regexp) found.regexps.push({ at: at(node as unknown as Node), source: regexp.pattern, flags: regexp.flags });
    },
    NewExpression: (node) => construct(node as unknown as Node),
    CallExpression: (node) => {
      construct(node as unknown as Node);
      const name = zodFormat((node as unknown as { callee: Node }).callee);
      if (name !== undefined) found.formats.set(name, at(node as unknown as Node));
    },
  }).visit(program);
}

/** Regular expressions that zod uses for the formats: one each, or several depending on options. */
export function formatRegexps(formats: ReadonlyMap<string, string>): FoundRegexp[] {
  return [...formats].flatMap(([name, at]) =>
    regexpsOfZod(name).map(({ source, flags }) => ({ at: `${at} (zod’s ${name})`, source, flags })),
  );
}

function regexpsOfZod(name: string): RegExp[] {
  const known = (z.regexes as Readonly<Record<string, unknown>>)[name];
  if (known instanceof RegExp) return [known];
  if (typeof known !== 'function') return [];
  const variants = [{}, { offset: true }, { local: true }, { precision: 3 }];
  const made = variants.map((options) => (known as (options: object) => unknown)(options));
  return made.filter((one) => one instanceof RegExp);
}

function regexpOf({ type, regex }: Node): { readonly pattern: string; readonly flags: string } | undefined {
  return type === 'Literal' && regex ? (regex as { pattern: string; flags: string }) : undefined;
}

/** Evaluates an expression of string constants of this file. Returns undefined for any other expression. */
function stringOf(node: Node | undefined, constants: ReadonlyMap<string, string>): string | undefined {
  switch (node?.type) {
    case 'Literal':
      return typeof node.value === 'string' ? node.value : undefined;
    case 'Identifier':
      return constants.get(node.name as string);
    case 'TemplateLiteral':
      return templateOf(node, constants, 'cooked');
    case 'TaggedTemplateExpression': {
      const { object, property } = node.tag as { object?: Node; property?: Node };
      const isRaw = object?.name === 'String' && property?.name === 'raw';
      return isRaw ? templateOf(node.quasi as Node, constants, 'raw') : undefined;
    }
    case 'BinaryExpression': {
      const [left, right] = [node.left, node.right].map((side) => stringOf(side as Node, constants));
      return node.operator === '+' && left !== undefined && right !== undefined ? left + right : undefined;
    }
    case 'CallExpression':
      return joinedOf(node, constants);
    default:
      return undefined;
  }
}

/** Evaluates `[…].join(…)` of constants. */
function joinedOf(node: Node, constants: ReadonlyMap<string, string>): string | undefined {
  const { object, property } = node.callee as unknown as { object?: Node; property?: { name?: string } };
  const separator = stringOf((node.arguments as Node[])[0], constants);
  if (object?.type !== 'ArrayExpression' || property?.name !== 'join' || separator === undefined) return undefined;
  const parts = (object.elements as Node[]).map((one) => stringOf(one, constants));
  return parts.includes(undefined) ? undefined : parts.join(separator);
}

function templateOf(node: Node, constants: ReadonlyMap<string, string>, kind: 'cooked' | 'raw'): string | undefined {
  const quasis = node.quasis as { value: Record<'cooked' | 'raw', string> }[];
  const values = (node.expressions as Node[]).map((one) => stringOf(one, constants));
  if (values.includes(undefined)) return undefined;
  return quasis.map(({ value }, i) => value[kind] + (values[i] ?? '')).join('');
}

/** Returns `datetime` for `z.iso.datetime`, `email` for `z.string().email`. */
function zodFormat(callee: Node): string | undefined {
  if (callee.type !== 'MemberExpression') return undefined;
  let { object } = callee as unknown as { object: Node };
  while (object.type === 'MemberExpression' || object.type === 'CallExpression') {
    object = (object.type === 'MemberExpression' ? object.object : object.callee) as Node;
  }
  const { name } = callee.property as { name?: string };
  return object.type === 'Identifier' && object.name === 'z' ? name : undefined;
}

function codeOf({ start, end }: Node, text: string): string {
  return text.slice(start, end as number).replace(/\s+/g, ' ');
}
