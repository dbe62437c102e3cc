import { expect, test } from 'vitest';
import { parseRoute, pathOf } from './route.ts';

test.each(['/admin', '/admin/', '/admin/runs', '/admin/runs/'])('%s is the list of runs', (path) => {
  expect(parseRoute(path)).toEqual({ screen: 'runs' });
});

test('a run has its own address, with or without a slash at the end', () => {
  expect(parseRoute('/admin/runs/film-reviews-3')).toEqual({ screen: 'run', runId: 'film-reviews-3' });
  expect(parseRoute('/admin/runs/film-reviews-3/')).toEqual({ screen: 'run', runId: 'film-reviews-3' });
});

test('what is written can be read again', () => {
  for (const route of [{ screen: 'runs' }, { screen: 'run', runId: 'a-1' }] as const) {
    expect(parseRoute(pathOf(route))).toEqual(route);
  }
});

test.each(['/', '/elsewhere', '/admin/runs/Upper', '/admin/runs/a%2Fb', '/admin/runs/a/b', '/admin/users'])(
  '%s is no screen',
  (path) => {
    expect(parseRoute(path)).toEqual({ screen: 'unknown' });
  },
);
