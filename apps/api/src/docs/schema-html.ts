import { type Html, html, prose } from '../http/html.ts';
import type { Schema } from './openapi-shape.ts';

const REF = '#/components/schemas/';

/** Describes the type of a value in a few words, with links to named schemas. */
export function typeOf(schema: Schema): Html {
  if (schema.$ref) {
    const name = schema.$ref.replace(REF, '');
    return html`<a href="#schema-${name}">${name}</a>`;
  }
  if (schema.const !== undefined) return html`<code>${JSON.stringify(schema.const)}</code>`;
  if (schema.enum) return join(schema.enum.map((value) => html`<code>${JSON.stringify(value)}</code>`));
  const options = schema.oneOf ?? schema.anyOf;
  if (options) return join(options.map(typeOf));
  if (schema.type === 'array' && schema.items) return html`array of ${typeOf(schema.items)}`;
  if (schema.type === 'object' && !schema.properties && typeof schema.additionalProperties === 'object') {
    return html`map of name to ${typeOf(schema.additionalProperties)}`;
  }
  return html`${schema.format ? `${schema.type}, ${schema.format}` : (schema.type ?? 'any')}`;
}

/** Describes default and bounds. */
function bounds(schema: Schema): Html {
  const { default: fallback, minimum, maximum, exclusiveMinimum, minLength, maxLength, maxItems } = schema;
  const isPlain = maximum !== undefined && maximum < Number.MAX_SAFE_INTEGER;
  const said = [
    fallback !== undefined && html`default <code>${JSON.stringify(fallback)}</code>`,
    exclusiveMinimum !== undefined && html`above ${exclusiveMinimum}`,
    minimum !== undefined && minimum > Number.MIN_SAFE_INTEGER && html`at least ${minimum}`,
    isPlain && html`at most ${maximum}`,
    minLength !== undefined && minLength > 1 && html`at least ${minLength} characters`,
    maxLength !== undefined && html`at most ${maxLength} characters`,
    maxItems !== undefined && html`at most ${maxItems} items`,
  ].filter((one) => one !== false);
  return html`${said.map((one) => html`<span class="bound">${one}</span> `)}`;
}

/** Renders the fields of an object, with those of nested unnamed objects below them, or the options of a union. */
export function fields(schema: Schema, prefix = ''): Html {
  const options = schema.oneOf ?? schema.anyOf;
  if (options?.some(({ properties }) => properties)) {
    return html`${options.map((option, i) => html`${i > 0 && html`<p class="or">or</p>`}${fields(option)}`)}`;
  }
  if (!schema.properties) return html`<p>${typeOf(schema)}</p>`;
  return html`<table>
<tbody>${rows(schema, prefix)}</tbody>
</table>`;
}

function rows({ properties = {}, required = [] }: Schema, prefix: string): readonly Html[] {
  return Object.entries(properties).map(([name, schema]) => {
    const inner = schema.properties ? schema : schema.items?.properties ? schema.items : undefined;
    const path = `${prefix}${name}`;
    return html`${row(path, schema, required.includes(name))}${inner && rows(inner, `${path}${schema.items ? '[]' : ''}.`)}`;
  });
}

/** Renders one row of a table of fields or parameters. */
export function row(name: string, schema: Schema, isRequired: boolean, description = schema.description): Html {
  return html`<tr>
<td><code>${name}</code>${isRequired && html` <em>required</em>`}</td>
<td>${typeOf(schema)}</td>
<td>${description !== undefined && prose(`${description} `)}${bounds(schema)}</td>
</tr>
`;
}

function join(parts: readonly Html[]): Html {
  return html`${parts.map((part, i) => html`${i > 0 && ' | '}${part}`)}`;
}
