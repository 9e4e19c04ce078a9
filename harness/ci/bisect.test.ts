// SPDX-License-Identifier: MIT
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { KilnError } from '../errors.ts';
import { quietContext } from '../testing/context.ts';
import { git } from '../util/git.ts';
import { type Answer, askCommit, bisect, compareEnds, type Outcome, type RunTest } from './bisect.ts';
import { bisectError, errorOf } from './bisectEvidence.ts';
import { BisectHistory, type BisectState, type Range, readBisectRange } from './bisectHistory.ts';

/** A small generator of our own: the same numbers in each run. */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

const outcome = (kind: Outcome['kind']): Outcome => ({ kind, detail: `it is ${kind}` });
const always =
  (kind: Outcome['kind']): RunTest =>
  async () => [outcome(kind)];
/** Fails with a probability. */
const sometimes =
  (share: number, draw: () => number): RunTest =>
  async () => [outcome(draw() < share ? 'fail' : 'pass')];

/** Commits by name, with their parents. `6` merges a side; `3x` is on one that stays apart. */
const parents: Record<string, string[]> = {
  ...{ '1': [], '2': ['1'], '3': ['2'], '4': ['3'], '5': ['4'], '4a': ['3'], '4b': ['4a'], '3x': ['3'] },
  ...{ '6': ['5', '4b'], '7': ['6'], '8': ['7'], '9': ['8'], '10': ['9'], '11': ['10'], '12': ['11'] },
};
let scratch: string;
let dir: string;
let range: Range;
const commits = new Map<string, string>();

test.before(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'kiln-test-'));
  dir = join(scratch, 'linux');
  await git(scratch, ['init', '--quiet', '--template=', '--initial-branch=main', dir]);
  const tree = (await git(dir, ['write-tree'])).stdout;
  for (const name of ['1', '2', '3', '4', '5', '4a', '4b', '3x', '6', '7', '8', '9', '10', '11', '12']) {
    const date = `${1_700_000_000 + 60 * commits.size} +0000`;
    const onto = parents[name]!.flatMap((one) => ['-p', commits.get(one)!]);
    const env = { GIT_AUTHOR_DATE: date, GIT_COMMITTER_DATE: date };
    commits.set(
      name,
      (await git(dir, ['commit-tree', tree, '-m', `change ${name}`, ...onto], { env })).stdout,
    );
    await git(dir, ['update-ref', `refs/tags/${name}`, commits.get(name)!]);
  }
  await git(dir, ['update-ref', 'refs/heads/main', commits.get('12')!]);
  range = await readBisectRange('1..12', dir, quietContext(scratch));
});
test.after.always(() => rm(scratch, { recursive: true, force: true }));

const nameOf = (commit: string) => [...commits].find(([, one]) => one === commit)![0];
function descends(name: string, first: string): boolean {
  return name === first || parents[name]!.some((parent) => descends(parent, first));
}
async function begin(t: ExecutionContext, range: string): Promise<BisectHistory> {
  const context = quietContext(scratch);
  const own = await mkdtemp(join(scratch, 'own-'));
  t.teardown(() => rm(own, { recursive: true }));
  return BisectHistory.start(await readBisectRange(range, dir, context), own, context);
}

type Asked = { found: string[]; asked: string[]; steps: Answer[] };
type How = {
  /** What these commits are, whatever `first` says. */
  others?: Record<string, Answer['answer']>;
  range?: string;
  run?: (isBad: boolean) => RunTest;
};

/** @param first fails, and all that descend from it */
async function search(t: ExecutionContext, first: string, how: How = {}): Promise<Asked> {
  const { others = {}, range = '1..12', run = (isBad) => always(isBad ? 'fail' : 'pass') } = how;
  const history = await begin(t, range);
  const ends = await compareEnds(run(false), run(true), errorOf(1));
  const asked: string[] = [];
  const result = await bisect(history, async (commit, error) => {
    const name = nameOf(commit);
    asked.push(name);
    if (others[name]) return { answer: others[name], runs: null, why: 'as told' };
    return askCommit(run(descends(name, first)), ends, error);
  });
  t.is(new Set(asked).size, asked.length, 'no commit is asked twice');
  return { found: result.possible.map(nameOf), asked, steps: result.steps };
}

test('nothing is written to the repository', async (t) => {
  const files = async () => (await readdir(dir, { recursive: true })).toSorted();
  const before = await files();
  await search(t, '9');
  t.deepEqual(await files(), before);
});

test('the first bad commit is found, wherever it is, also in a branch that was merged', async (t) => {
  for (const first of ['4a', '5', '12']) {
    const { found, asked } = await search(t, first);
    t.deepEqual(found, [first], asked.join(' '));
    t.true(asked.length <= 5, `${first}: ${asked.join(' ')}`);
  }
});

test('a merge can be the first bad commit', async (t) => {
  t.deepEqual((await search(t, '6')).found, ['6']);
});

test('what can’t be tested is passed over', async (t) => {
  const { found, asked } = await search(t, '9', { others: { '6': 'skip', '7': 'skip' } });
  t.deepEqual(found, ['9']);
  t.true(asked.includes('6') || asked.includes('7'), asked.join(' '));
});

test('commits that can’t be told apart are named together', async (t) => {
  const { found } = await search(t, '9', { others: { '8': 'skip', '9': 'skip' } });
  t.deepEqual(found.toSorted(), ['10', '8', '9']);
});

test('a flaky test does not mislead', async (t) => {
  const draw = random(7);
  for (const first of ['4b']) {
    const { found, steps } = await search(t, first, { run: (bad) => sometimes(bad ? 0.4 : 0.02, draw) });
    t.deepEqual(found, [first]);
    t.true(steps.every(({ runs }) => runs!.runs > 6));
  }
});

test('where the ends share only an ancestor, git asks that first', async (t) => {
  const { found, asked } = await search(t, '11', { range: '3x..12' });
  t.is(asked[0], '3');
  t.deepEqual(found, ['11']);
  await t.throwsAsync(search(t, '11', { range: '3x..12', others: { '3': 'bad' } }), {
    instanceOf: KilnError,
    message: /from which .* descend, is bad/,
  });
});

test('a range is two commits with something in between, in a repository', async (t) => {
  const fail = async (range: string) => {
    const error = await t.throwsAsync(begin(t, range), { instanceOf: KilnError });
    return `${(error as KilnError).code}: ${error?.message.replace(dir, 'DIR')}`;
  };
  t.is(await fail('1'), 'usage: 1 is no range GOOD..BAD');
  t.is(await fail('1...12'), 'usage: 1...12 is no range GOOD..BAD');
  t.is(await fail('..12'), 'usage: ..12 is no range GOOD..BAD');
  t.is(await fail('1..none'), 'bad-input: no commit "none" in DIR');
  t.regex(await fail('12..1'), /^bad-input: \w{12} is older than \w{12}$/);
  t.regex(await fail('12..12'), /^bad-input: \w{12} is \w{12}$/);
  const context = quietContext(scratch);
  t.is((await readBisectRange('1..', dir, context)).bad, range.bad);
  await t.throwsAsync(readBisectRange('1..12', '/', context), { message: 'there is no git repository at /' });
});

test('a commit is described by its subject, author and date', async (t) => {
  const history = await begin(t, '1..12');
  t.deepEqual(await history.describe(range.bad), {
    commit: range.bad,
    subject: 'change 12',
    author: 'kiln <kiln@localhost>',
    date: '2023-11-14',
  });
  t.is(await history.count(), 13);
});

test('an end that is not as it should be is named', async (t) => {
  const fail = async (good: RunTest, bad: RunTest) =>
    (await t.throwsAsync(compareEnds(good, bad, errorOf(1)), { instanceOf: KilnError }))?.message;
  t.is(await fail(always('fail'), always('fail')), 'GOOD fails, too: 10 of 10');
  t.is(await fail(always('pass'), always('pass')), 'BAD does not fail: 0 of 30');
  t.regex(
    (await fail(always('fail'), always('pass')))!,
    /^GOOD fails more often \(6 of 6\) than BAD \(0 of \d\)/,
  );
  t.is(await fail(always('pass'), always('not-run')), 'BAD does not run the test: it is not-run');
  t.is(await fail(always('not-run'), always('fail')), 'GOOD does not run the test: it is not-run');
  t.is(await fail(always('no-boot'), always('fail')), 'GOOD does not boot: it is no-boot');
  t.is(await fail(always('no-boot'), always('no-boot')), 'GOOD fails to boot, too: 10 of 10');
  t.regex((await fail(always('error'), always('fail')))!, /3 runs of the test on GOOD failed: it is error/);
  const draw = random(1);
  t.regex((await fail(sometimes(0.5, draw), sometimes(0.5, draw)))!, /does not tell GOOD from BAD/);
});

test('ends that differ are run three times as often as that takes', async (t) => {
  const { good, bad, looksFor } = await compareEnds(always('pass'), always('fail'), errorOf(1));
  t.deepEqual([good.runs, bad.runs, looksFor], [{ failed: 0, runs: 18 }, { failed: 18, runs: 18 }, 'test']);
});

test('if the bad end does not boot, a kernel is bad if it does not, whatever the test does', async (t) => {
  const ends = await compareEnds(always('fail'), always('no-boot'), errorOf(1));
  t.is(ends.looksFor, 'boot');
  t.is(ends.good.runs.failed, 0);
  t.is((await askCommit(always('no-boot'), ends, errorOf(2))).answer, 'bad');
  t.is((await askCommit(always('fail'), ends, errorOf(2))).answer, 'good');
  t.is((await askCommit(always('not-run'), ends, errorOf(2))).answer, 'good');
});

test('a commit that does not boot or does not run the test is skipped, with the reason', async (t) => {
  const ends = await compareEnds(always('pass'), always('fail'), errorOf(1));
  t.deepEqual(await askCommit(always('no-boot'), ends, errorOf(2)), {
    answer: 'skip',
    runs: null,
    why: 'does not boot: it is no-boot',
  });
  t.like(await askCommit(always('not-run'), ends, errorOf(2)), { answer: 'skip', runs: null });
  // One such run in between says nothing.
  let run = 0;
  const mostly: RunTest = async () => [outcome(run++ % 2 === 0 ? 'error' : 'fail')];
  t.like(await askCommit(mostly, ends, errorOf(2)), { answer: 'bad', why: 'it is fail' });
  await t.throwsAsync(askCommit(always('error'), ends, errorOf(2)), { message: /the commit failed/ });
});

test('runs of a batch all count', async (t) => {
  const ends = await compareEnds(always('pass'), always('fail'), errorOf(1));
  const four: RunTest = async () => Array.from({ length: 4 }, () => outcome('fail'));
  t.like(await askCommit(four, ends, errorOf(9)), { answer: 'bad', runs: { failed: 8, runs: 8 } });
});

/** A straight history of so many commits, the last of them bad; halved as git does. */
class Line {
  #good = 0;
  #bad: number;
  readonly #skipped = new Set<number>();

  constructor(count: number) {
    this.#bad = count;
  }

  async state(): Promise<BisectState> {
    const open = [];
    for (let commit = this.#good + 1; commit < this.#bad; commit++)
      if (!this.#skipped.has(commit)) open.push(commit);
    if (open.length > 0) return { next: String(open[Math.floor((open.length - 1) / 2)]), left: 0 };
    const possible = Array.from({ length: this.#bad - this.#good }, (_, index) =>
      String(this.#good + 1 + index),
    );
    return possible.length === 1 ? { first: possible[0]! } : { possible };
  }

  async answer(commit: string, answer: 'good' | 'bad' | 'skip'): Promise<void> {
    if (answer === 'good') this.#good = Number(commit);
    else if (answer === 'bad') this.#bad = Number(commit);
    else this.#skipped.add(Number(commit));
  }
}

type Way = (run: RunTest, ends: Awaited<ReturnType<typeof compareEnds>>, error: number) => Promise<Answer>;

/** How many of `times` bisections over 100 commits name a wrong commit, and how many name one at all. */
async function simulate(good: number, bad: number, times: number, way: Way = askCommit) {
  const draw = random(Math.round(1000 * (good + 10 * bad)));
  let [wrong, named, runs] = [0, 0, 0];
  for (let time = 0; time < times; time++) {
    const first = 1 + Math.floor(draw() * 100);
    const ends = await compareEnds(sometimes(good, draw), sometimes(bad, draw), errorOf(1)).catch(() => null);
    if (!ends) continue;
    const { possible, steps } = await bisect(new Line(100), (commit, error) =>
      way(sometimes(Number(commit) < first ? good : bad, draw), ends, error),
    );
    if (possible.length === 1) named++;
    if (!possible.includes(String(first))) wrong++;
    runs += steps.reduce((sum, step) => sum + (step.runs?.runs ?? 0), 0) / steps.length;
  }
  return { wrong, named, runs: runs / times };
}

test('the wrong commit is named at most as often as stated, however flaky the test is', async (t) => {
  const times = 1000;
  for (const [good, bad, least] of [
    [0, 1, 1],
    [0.05, 0.95, 1],
    [0, 0.5, 0.99],
    [0.1, 0.6, 0.99],
    [0.4, 1, 0.99],
  ] as const) {
    const { wrong, named, runs } = await simulate(good, bad, times);
    t.log(`${good} and ${bad}: ${wrong} of ${times} wrong, ${named} named, ${runs.toFixed(1)} runs a commit`);
    // More than 6 wrong of 1,000 have a probability below 0.01 % if each is wrong with 0.1 %.
    t.true(wrong <= 6, `${wrong} wrong, stated are ${times * bisectError}`);
    t.true(named >= least * times, `${named} named`);
  }
});

test('one run a commit names the wrong one often, which the simulation sees', async (t) => {
  const once: Way = async (run) => {
    const [one] = await run();
    return { answer: one!.kind === 'fail' ? 'bad' : 'good', runs: { failed: 0, runs: 1 }, why: '' };
  };
  const { wrong } = await simulate(0.05, 0.95, 300, once);
  t.true(wrong > 30, `${wrong} wrong`);
});
