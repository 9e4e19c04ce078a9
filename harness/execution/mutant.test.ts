// SPDX-License-Identifier: MIT
import test from 'ava';
import { shorten } from './mutant.ts';
import type { TestRequest } from './request.ts';

const request = { suite: 'srvfs', test: 'races', limit: 900 } as TestRequest;

test('a test that a mutant stops is ended long before the limit for slow kernels', (t) => {
  t.is(shorten(request, { 'srvfs/races': 9000 }).limit, 72);
});

test('a limit of the settings that is shorter holds, and so does that of a test without a known time', (t) => {
  t.is(shorten({ ...request, limit: 50 }, { 'srvfs/races': 9000 }).limit, 50);
  t.is(shorten(request, { 'srvfs/entries': 9000 }).limit, 900);
});
