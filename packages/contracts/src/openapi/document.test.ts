import { describe, expect, test } from 'vitest';
import { PROBLEM_CODES } from '../http/problem.ts';
import { openApiDocument } from './document.ts';
import { PROBLEM_KINDS } from './problem-kinds.ts';
import { ROUTES } from './routes.ts';

interface Operation {
  readonly operationId: string;
  readonly parameters: readonly { name: string; in: string; required: boolean; schema: unknown }[];
  readonly security: readonly unknown[];
  readonly requestBody?: { readonly content: Readonly<Record<string, { schema: unknown }>> };
  readonly responses: Readonly<Record<string, { description: string; content?: Readonly<Record<string, unknown>> }>>;
}
interface Document {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: {
    readonly schemas: Readonly<Record<string, { required?: string[]; properties?: Record<string, unknown> }>>;
  };
}

const document = openApiDocument('1.2.3') as unknown as Document;
const operations = Object.values(document.paths).flatMap((path) => Object.values(path));

describe('OpenAPI document', () => {
  test('has every route of the catalogue once', () => {
    expect(operations.map(({ operationId }) => operationId).sort()).toEqual(Object.keys(ROUTES).sort());
  });

  test('resolves every reference, and has no inline definitions', () => {
    const text = JSON.stringify(document);
    const names = [...text.matchAll(/"\$ref":"([^"]+)"/g)].map(([, ref]) => ref ?? '');
    expect(names.length).toBeGreaterThan(20);
    for (const ref of names)
      expect(document.components.schemas).toHaveProperty([ref.replace('#/components/schemas/', '')]);
    expect(text).not.toContain('$defs');
  });

  test('declares every path parameter, and describes every response', () => {
    for (const [path, methods] of Object.entries(document.paths)) {
      const wanted = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
      for (const { parameters, responses } of Object.values(methods)) {
        expect(parameters.filter((one) => one.in === 'path').map(({ name }) => name)).toEqual(wanted);
        for (const { description } of Object.values(responses)) expect(description).not.toBe('');
      }
    }
  });

  test('makes fields with defaults optional in requests and required in responses', () => {
    const { BuildRequest, Build } = document.components.schemas;
    expect(BuildRequest?.required).toEqual(['source']);
    expect(Build?.required).toContain('attempts');
    const list = document.paths['/v1/builds']?.get;
    expect(list?.parameters.every(({ required }) => !required)).toBe(true);
  });

  test('documents security and refusals of every route that needs a credential', () => {
    for (const { operationId, security, responses } of operations) {
      const { access } = ROUTES[operationId as keyof typeof ROUTES];
      const isOpen = access.who === 'anyone';
      const scopes = access.who === 'users' ? access.scopes : [];
      const session = access.who === 'workers' ? [] : [{ session: scopes }];
      expect(security).toEqual(isOpen ? [] : [{ token: scopes }, ...session]);
      if (!isOpen) expect(Object.keys(responses)).toEqual(expect.arrayContaining(['401', '403']));
    }
  });

  test('has a status and title for every problem code', () => {
    expect(Object.keys(PROBLEM_KINDS).sort()).toEqual([...PROBLEM_CODES].sort());
    for (const { status } of Object.values(PROBLEM_KINDS)) expect(status).toBeGreaterThanOrEqual(400);
  });
});
