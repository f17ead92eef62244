import type { RouteAccess, Scope, TeamReach } from '@kiln/domain';
import type { z } from 'zod';
import type { ProblemCode } from '../http/problem.ts';

/** A body that JSON Schema cannot describe: bytes, or text. */
export interface RawBody {
  readonly raw: 'binary' | 'text';
  readonly description?: string;
}

/** A multipart body, part by part. */
export interface MultipartBody {
  readonly parts: Readonly<Record<string, z.ZodType | RawBody>>;
  readonly required: readonly string[];
}

export type BodyDoc = z.ZodType | RawBody | MultipartBody;

export interface HeaderDoc {
  readonly description: string;
  readonly required?: boolean;
}

export interface AnswerDoc {
  readonly description: string;
  readonly content?: Readonly<Record<string, BodyDoc>>;
  readonly headers?: Readonly<Record<string, HeaderDoc>>;
}

/** One route: what is served, what is documented and what is tested are read from here. */
export interface RouteDoc {
  readonly method: 'get' | 'post' | 'put' | 'patch' | 'delete';
  /** With `:name` for parameters. */
  readonly path: string;
  readonly tag:
    | 'Builds'
    | 'Logs'
    | 'Hosts'
    | 'Contexts and artifacts'
    | 'Access'
    | 'Limits'
    | 'Secrets'
    | 'Schedules'
    | 'Webhooks'
    | 'Login'
    | 'Service';
  readonly summary: string;
  readonly description?: string;
  /** Who may come in, and what of each team they see. */
  readonly access: RouteAccess;
  /** Whether a GET changes something; all others do. What does gets an entry in the audit log. */
  readonly changes?: true;
  readonly params?: Readonly<Record<string, z.ZodType>>;
  readonly query?: z.ZodObject;
  readonly headers?: Readonly<Record<string, HeaderDoc>>;
  readonly body?: Readonly<Record<string, BodyDoc>>;
  /** Default: true. */
  readonly bodyRequired?: boolean;
  readonly answers: Readonly<Record<number, AnswerDoc>>;
  /** Codes that this route may complain with, beside those of every route. */
  readonly problems: readonly ProblemCode[];
}

/** Whether a request by this route changes something. Each such request gets an entry in the audit log; of others only refused ones. */
export function changesState({ method, changes }: Pick<RouteDoc, 'method' | 'changes'>): boolean {
  return method !== 'get' || changes === true;
}

/** Users with a scope, who see their own team's. */
export const users = <S extends Scope, T extends TeamReach>(scope: S, teams: T) =>
  ({ who: 'users', scopes: [scope], teams }) as const;

/** Users with a scope, untrusted ones too: for changes of which the handler keeps untrusted credentials to what is untrusted. */
export const anyTrust = <S extends Scope, T extends TeamReach>(scope: S, teams: T) =>
  ({ who: 'users', scopes: [scope], teams, untrusted: 'own' }) as const;
