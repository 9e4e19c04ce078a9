// SPDX-License-Identifier: MIT
// Pure: when stages and guests ran → lanes, the critical path, and where the time went.
import type { Results, Verdict } from '../schema.ts';

/** Times are milliseconds from the start of the run. `start`: of a guest, until it was booted or forked. */
export type Span = {
  name: string;
  job: string;
  from: number;
  to: number;
  /** Of a guest. */
  guest?: {
    suite: string;
    test: string;
    verdict: Verdict;
    isHung: boolean;
    start: number;
    run: number;
    isFork: boolean;
  };
};

/** `kind`: of work. `path`: milliseconds of it on the critical path; `all`: in all, also at the same time. */
export type Share = { kind: string; path: number; all: number };

export type Timeline = {
  total: number;
  /** Stages, and guests, each in as few lanes as needed. */
  stages: Span[][];
  guests: Span[][];
  /** What the end of the run waited for, in order. */
  path: Span[];
  shares: Share[];
};

/** null if the results do not have the times, as those of an older Kiln. */
export function timelineOf(results: Results): Timeline | null {
  const start = Date.parse(results.started);
  const total = results.duration_ms;
  const inRun = ({ from, to }: Span) => from >= -1000 && to <= total + 60_000 && to >= from;
  const stages = results.jobs
    .flatMap(({ id, stages: own }) =>
      own.map(({ name, started, duration_ms }): Span => {
        const from = Date.parse(started ?? '') - start;
        return { name, job: id, from, to: from + duration_ms };
      }),
    )
    // These are the guests.
    .filter((span) => inRun(span) && span.name !== 'tests' && span.name !== 'replays');
  const guests = results.tests.flatMap((test): Span[] => {
    const { guest, suite, test: name, job, verdict, duration_ms, tempo } = test;
    if (!guest?.span) return [];
    const [from, to] = [Date.parse(guest.span.from) - start, Date.parse(guest.span.to) - start];
    const started = Math.min(guest.start_ms ?? 0, to - from);
    const run = Math.min(duration_ms, to - from - started);
    const isFork = guest.origin === 'fork';
    const isHung = tempo === 'hung';
    return [
      {
        name: `${suite}/${name}`,
        job,
        from,
        to,
        guest: { suite, test: name, verdict, isHung, start: started, run, isFork },
      },
    ].filter(inRun);
  });
  if (stages.length + guests.length === 0) return null;
  const path = criticalPath([...stages, ...guests]);
  return {
    total,
    stages: lanesOf(stages),
    guests: lanesOf(guests),
    path,
    shares: sharesOf(path, [...stages, ...guests], total),
  };
}

/** Spans that do not overlap share a lane; a few milliseconds are no overlap. */
function lanesOf(spans: readonly Span[]): Span[][] {
  const lanes: Span[][] = [];
  for (const span of spans.toSorted((a, b) => a.from - b.from)) {
    const lane = lanes.find((one) => one.at(-1)!.to <= span.from + slack);
    if (lane) lane.push(span);
    else lanes.push([span]);
  }
  return lanes;
}

const slack = 5;

/** From the last end backwards: before each span the one that ended last before it began. */
function criticalPath(spans: readonly Span[]): Span[] {
  const byEnd = spans.toSorted((a, b) => b.to - a.to);
  const path: Span[] = [];
  for (const span of byEnd) {
    const next = path[0];
    if (!next || (span.to <= next.from + slack && span.from < next.from)) path.unshift(span);
  }
  return path;
}

function sharesOf(path: readonly Span[], all: readonly Span[], total: number): Share[] {
  const sum = (spans: readonly Span[]) => {
    const sums = new Map<string, number>();
    const add = (kind: string, ms: number) => sums.set(kind, (sums.get(kind) ?? 0) + ms);
    for (const { name, from, to, guest } of spans)
      if (guest) {
        add(guest.isFork ? 'forking guests' : 'booting guests', guest.start);
        add('running tests', guest.run);
        add('settling, logs and results', to - from - guest.start - guest.run);
      } else add(stageWords[name] ?? name, to - from);
    return sums;
  };
  const [onPath, inAll] = [sum(path), sum(all)];
  const waited = total - path.reduce((ms, { from, to }) => ms + to - from, 0);
  return [
    ...[...inAll].map(([kind, ms]) => ({ kind, path: onPath.get(kind) ?? 0, all: ms })),
    { kind: 'between these', path: Math.max(0, waited), all: Math.max(0, waited) },
  ]
    .filter(({ all: ms }) => ms >= 1)
    .toSorted((a, b) => b.path - a.path || b.all - a.all);
}

const stageWords: Record<string, string> = {
  base: 'getting the kernel source',
  series: 'applying the series',
  config: 'configuring',
  checks: 'checking patches',
  kernel: 'building kernels',
  comparison: 'comparing kernels',
  elsewhere: 'compiling touched files elsewhere',
  image: 'building tests',
};
