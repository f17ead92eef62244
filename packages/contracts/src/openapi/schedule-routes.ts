import { buildView } from '../http/build-view.ts';
import { scheduleChange, scheduleId, scheduleList, scheduleRequest, scheduleView } from '../http/schedules.ts';
import { anyTrust, type RouteDoc } from './route.ts';

const schedule = { 'application/json': scheduleView };
const params = { id: scheduleId };
const mayWrite = anyTrust('builds:write', 'own');
const BODY_PROBLEMS = ['malformed_json', 'invalid_request', 'unsupported_media_type', 'body_too_large'] as const;

/** Routes for scheduled builds. */
export const SCHEDULE_ROUTES = {
  createSchedule: {
    method: 'post',
    path: '/v1/schedules',
    tag: 'Schedules',
    access: anyTrust('builds:write', 'request'),
    summary: 'Create a schedule',
    description:
      'Each run is one build, however many API processes there are. If runs were missed while no API process was running, one build makes up for all of them.',
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
    answers: { 200: { description: 'All schedules.', content: { 'application/json': scheduleList } } },
    problems: [],
  },
  readSchedule: {
    method: 'get',
    path: '/v1/schedules/:id',
    tag: 'Schedules',
    access: { who: 'users', scopes: ['builds:read'], teams: 'own' },
    summary: 'Get a schedule',
    params,
    answers: { 200: { description: 'The schedule.', content: schedule } },
    problems: ['invalid_request', 'schedule_not_found'],
  },
  changeSchedule: {
    method: 'patch',
    path: '/v1/schedules/:id',
    tag: 'Schedules',
    access: mayWrite,
    summary: 'Pause or resume a schedule, or change its times',
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
    summary: 'Run a schedule now, even if it is paused',
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
    description: 'Its builds are kept.',
    params,
    answers: { 200: { description: 'The schedule as it was.', content: schedule } },
    problems: ['invalid_request', 'schedule_not_found'],
  },
} as const satisfies Readonly<Record<string, RouteDoc>>;
