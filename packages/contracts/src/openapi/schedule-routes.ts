import { scheduleChange, scheduleId, scheduleList, scheduleRequest, scheduleView } from '../http/schedules.ts';
import { buildView } from '../http/views.ts';
import { anyTrust, type RouteDoc } from './route.ts';

const schedule = { 'application/json': scheduleView };
const params = { id: scheduleId };
const mayWrite = anyTrust('builds:write', 'own');
const BODY_PROBLEMS = ['malformed_json', 'invalid_request', 'unsupported_media_type', 'body_too_large'] as const;

/** Builds that come by the clock. */
export const SCHEDULE_ROUTES = {
  createSchedule: {
    method: 'post',
    path: '/v1/schedules',
    tag: 'Schedules',
    access: anyTrust('builds:write', 'request'),
    summary: 'Have something built by the clock',
    description:
      'Each time is one build, however many API processes there are. Of the times that were missed while none ran, one is made up for.',
    body: { 'application/json': scheduleRequest },
    answers: { 201: { description: 'Created.', content: schedule } },
    problems: [...BODY_PROBLEMS, 'schedule_exists', 'target_refused'],
  },
  listSchedules: {
    method: 'get',
    path: '/v1/schedules',
    tag: 'Schedules',
    access: { who: 'users', scopes: ['builds:read'], teams: 'own' },
    summary: 'List schedules by team and name',
    answers: { 200: { description: 'All of them.', content: { 'application/json': scheduleList } } },
    problems: [],
  },
  readSchedule: {
    method: 'get',
    path: '/v1/schedules/:id',
    tag: 'Schedules',
    access: { who: 'users', scopes: ['builds:read'], teams: 'own' },
    summary: 'Read a schedule',
    params,
    answers: { 200: { description: 'The schedule.', content: schedule } },
    problems: ['invalid_request', 'schedule_not_found'],
  },
  changeSchedule: {
    method: 'patch',
    path: '/v1/schedules/:id',
    tag: 'Schedules',
    access: mayWrite,
    summary: 'Pause a schedule, resume it, or set its times',
    params,
    body: { 'application/json': scheduleChange },
    answers: { 200: { description: 'The schedule as it is now.', content: schedule } },
    problems: [...BODY_PROBLEMS, 'schedule_not_found'],
  },
  runSchedule: {
    method: 'post',
    path: '/v1/schedules/:id/run',
    tag: 'Schedules',
    access: mayWrite,
    summary: 'Build it now, paused or not',
    params,
    answers: { 202: { description: 'Accepted.', content: { 'application/json': buildView } } },
    problems: [
      'invalid_request',
      'schedule_not_found',
      'forbidden',
      'context_not_found',
      'target_refused',
      'queue_full',
    ],
  },
  removeSchedule: {
    method: 'delete',
    path: '/v1/schedules/:id',
    tag: 'Schedules',
    access: mayWrite,
    summary: 'Remove a schedule',
    description: 'Its builds stay.',
    params,
    answers: { 200: { description: 'The schedule as it was.', content: schedule } },
    problems: ['invalid_request', 'schedule_not_found'],
  },
} as const satisfies Readonly<Record<string, RouteDoc>>;
