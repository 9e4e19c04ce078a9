// SPDX-License-Identifier: MIT
// Tests that run in fake guests (fakePool.ts), with all that is around them.
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import type { KilnEvent } from '../events.ts';
import { artifacts } from '../execution/collect.ts';
import type { Execution } from '../execution/execution.ts';
import type { TestRequest } from '../execution/request.ts';
import type { Built } from '../job/built.ts';
import { type Ask, defaultBase, type PlannedSuite, plan } from '../job/plan.ts';
import { JobRecorder } from '../job/recorder.ts';
import { paths } from '../paths.ts';
import { findProject } from '../project.ts';
import type { Settings } from '../suite/settings.ts';
import { fakeMachine } from './fakeGuest.ts';
import { type FakePoolOptions, fakePool } from './fakePool.ts';

export async function fakeExecution(t: ExecutionContext, options: FakePoolOptions = {}) {
  const all = await fakePool(t, options);
  const { pool, context } = all;
  const execution: Execution = { pool, context };
  const runDir = join(context.cache, 'run');
  const request = (more: Partial<TestRequest> = {}): TestRequest => {
    const { test = 'first' } = more;
    return {
      ...{ job: 'job-1', suite: 'demo', test, program: test, args: [] },
      ...{ machine: fakeMachine, origin: 'fork', limit: 60, expectSplats: [], collect: [artifacts] },
      ...{ runDir, guestDir: join(runDir, 'guests', 'demo', test), reproduce: `kiln test demo/${test}` },
      ...more,
    };
  };
  return { ...all, execution, runDir, request };
}

/** What a person asks for who says nothing. */
export const plainAsk: Ask = {
  ...{
    select: [],
    series: [],
    with: [],
    base: defaultBase,
    config: [],
    configFrom: null,
    set: [],
    compiler: { llvm: null, cc: null },
    project: findProject(undefined, paths.root),
    tests: [],
    accel: 'tcg',
    sandbox: 'auto',
  },
  ...{ revision: null, upTo: null, allowIncomplete: false, inbox: null },
  ...{ timeout: null, next: ['same'], generations: null, jobs: 2, isolate: null },
};

/** A job whose stages up to the image are done. @param tests settings by name, all of one suite */
export function fakeJob(tests: Record<string, Settings>, ask: Partial<Ask> = {}, signal?: AbortSignal) {
  const all = Object.entries(tests).map(([name, settings]) => ({ name, program: name, settings }));
  const suite = {
    name: 'demo',
    dir: '/demo',
    programs: [],
    tests: all,
    helpers: [],
    config: '',
    makefile: '',
    scripts: [],
  };
  const events: KilnEvent[] = [];
  const planned: PlannedSuite = { suite, tests: all, required: true, configOnly: false };
  const recorder = new JobRecorder(
    plan({ ...plainAsk, ...ask }, [], [suite]),
    (event) => void events.push(event),
    signal ?? new AbortController().signal,
  );
  const built = {
    kernel: { dir: '/nowhere/kernel', key: 'kernel' },
    image: { path: '/nowhere/image.cpio', key: 'image', broken: {}, programs: {} },
    accelerator: { name: 'tcg', cpu: 'max', cmdline: '', reason: '' },
    bootWords: '',
    run: [planned],
    next: { kernels: [], images: new Map() },
  } as unknown as Built;
  return { recorder, built, events };
}
