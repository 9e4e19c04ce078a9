// SPDX-License-Identifier: MIT
import { join } from 'node:path';
import { cacheDirectory } from '../context.ts';
import { exits, KilnError } from '../errors.ts';
import { type Caught, type GoodTimes, runMutant } from '../execution/mutant.ts';
import type { Plan } from '../job/plan.ts';
import { paths } from '../paths.ts';
import { memoryBudget, Pool } from '../pool/pool.ts';
import { isBad } from '../results/judge.ts';
import { createRunDirectory } from '../results/runDirectory.ts';
import { runJobs } from '../run.ts';
import { type Mutant, readMutants } from '../suite/mutants.ts';
import { beside } from '../suite/suite.ts';
import { useCache } from '../util/cache.ts';
import { readCachedJson, writeAtomic } from '../util/files.ts';
import { contentKey, sha256File, treeKey } from '../util/hash.ts';
import { plural } from '../util/plural.ts';
import { printable } from '../util/printable.ts';
import {
  addBuildOptions,
  addRunOptions,
  type JobOptions,
  outOption,
  readPlan,
  runsDirectory,
} from './ask.ts';
import type { Cli } from './command.ts';

type Options = JobOptions & { out?: string; deadline: number; json?: boolean; again?: boolean };

export function registerMutants({ program, run, signal, stopAfter }: Cli): void {
  addRunOptions(addBuildOptions(program.command('mutants')))
    .description(
      "break a series on purpose, one guarantee at a time, and report whether its suite's tests fail",
    )
    .argument('<suite>', 'a suite with mutants/*.patch in its directory')
    .argument('[name...]', 'mutants, by the names of their files (default: all)')
    .option('--again', 'also run the mutants that were tried before with the same series and tests')
    .option('--json', 'print one JSON array on stdout')
    .addOption(outOption())
    .addHelpText('after', examples)
    .action(
      run((suite: string, names: string[], options: Options) => {
        stopAfter(options.deadline);
        return mutantsCommand(suite, names, options, signal);
      }),
    );
}

const examples = `
Each mutant is a patch on top of the series; its message names the case that must fail. Kiln runs that case's test
first, then the other tests of the suite until one fails. Exit code 1: a mutant survived, and its message does not say
why.

Examples:
  kiln mutants srvfs                        all mutants of guest-tests/srvfs/mutants
  kiln mutants srvfs get-file-after-unlock  one
  kiln mutants srvfs --json | jq '.[] | select(.outcome == "survived")'`;

/** What became of a mutant. `does-not-build` and `error` say nothing of the tests. */
type Outcome = {
  name: string;
  breaks: string;
  /** `elsewhere`: another test than the named one noticed it. `explained`: it survived, and its message says why. */
  outcome: 'caught' | 'elsewhere' | 'explained' | 'survived' | 'does-not-build' | 'error';
  /** The test and case that noticed it. */
  test: string | null;
  case: string | null;
  detail: string;
  /** Milliseconds, of the build and of everything else. */
  build_ms: number;
  rest_ms: number;
};

/** `kiln mutants`: returns 0 if each was caught or is explained. */
async function mutantsCommand(
  suite: string,
  names: string[],
  options: Options,
  signal: AbortSignal,
): Promise<number> {
  const planned = (await readPlan([suite], options)).suites.find(
    ({ suite: { name } }) => name === suite,
  )?.suite;
  if (planned === undefined)
    throw new KilnError('usage', `${suite} is no suite`, {
      hint: 'name a suite, and mutants of it behind it',
    });
  const all = await readMutants(planned);
  const chosen = names.length === 0 ? all : all.filter(({ name }) => names.includes(name));
  const unknown = names.filter((name) => !all.some((mutant) => mutant.name === name));
  if (unknown.length > 0 || all.length === 0)
    throw new KilnError(
      'usage',
      unknown.length > 0 ? `no mutant ${unknown.join(', ')} of ${suite}` : `${suite} has no mutants`,
      {
        hint: `there are: ${all.map(({ name }) => name).join(', ') || '(none)'}; they are in ${join(planned.dir, 'mutants')}`,
      },
    );
  const named = chosen.map(({ caughtBy }) => caughtBy.test).filter((test) => !test.startsWith(`${suite}/`));
  const plan = await readPlan([suite, ...named], options);
  await using _cache = await useCache(cacheDirectory(), signal);
  const run = await createRunDirectory(runsDirectory(options));
  await using pool = new Pool(plan.ask.jobs, memoryBudget());
  const common = await commonKey(plan, planned.dir);
  const good = await requireGood(plan, common, { dir: run.dir, pool, signal });
  const outcomes: Outcome[] = [];
  for (const [index, mutant] of chosen.entries()) {
    const record = join(
      cacheDirectory(),
      'mutants',
      `${contentKey(common, await sha256File(mutant.path))}.json`,
    );
    const known = options.again ? null : await readCachedJson<Outcome>(record);
    const place = `${index + 1}/${chosen.length}`;
    if (!known) process.stderr.write(`kiln: mutant ${place}: ${mutant.name}\n`);
    const outcome = known ?? (await tryMutant(mutant, good, plan, { dir: run.dir, pool, signal }));
    if (!known && outcome.outcome !== 'error') await writeAtomic(record, JSON.stringify(outcome));
    outcomes.push(outcome);
    if (!options.json) process.stdout.write(`${printable(line(outcome))}\n`);
  }
  if (options.json) process.stdout.write(`${JSON.stringify(outcomes, null, 2)}\n`);
  else process.stdout.write(`\n${summary(outcomes)}\n`);
  if (outcomes.some(({ outcome }) => outcome === 'error')) return exits.infrastructure;
  if (outcomes.some(({ outcome }) => outcome === 'does-not-build')) return exits.doesNotBuild;
  return outcomes.some(({ outcome }) => outcome === 'survived') ? exits.testFailed : exits.ok;
}

/** A test that fails anyway catches every mutant: first, all tests run without one. Returns how long they take. */
async function requireGood(
  plan: Plan,
  common: string,
  run: { dir: string; pool: Pool; signal: AbortSignal },
): Promise<GoodTimes> {
  const record = join(cacheDirectory(), 'mutants', `${contentKey(common, 'times without')}.json`);
  const known = await readCachedJson<GoodTimes>(record);
  if (known) return known;
  process.stderr.write('kiln: the tests without a mutant\n');
  const [outcome] = await runJobs([plan], { ...run, emit: () => {} });
  run.signal.throwIfAborted();
  if (outcome!.error) throw outcome!.error;
  const bad = outcome!.tests.find(({ verdict }) => isBad(verdict));
  if (bad)
    throw new KilnError(
      bad.verdict === 'error' ? 'infrastructure' : 'bad-input',
      `${bad.suite}/${bad.test} fails without a mutant: ${bad.detail}`,
      { hint: `mend it first: ${bad.reproduce ?? ''}` },
    );
  const times: GoodTimes = Object.fromEntries(
    outcome!.tests.map(({ suite, test, duration_ms }) => [`${suite}/${test}`, duration_ms]),
  );
  await writeAtomic(record, JSON.stringify(times));
  return times;
}

/** Everything that decides a mutant's outcome, but for the mutant. */
async function commonKey({ ask, series }: Plan, suiteDir: string): Promise<string> {
  const dirs = [ask.project.patches, suiteDir, paths.images, ...ask.project.kernelConfig];
  const keys = await Promise.all(dirs.map((dir) => treeKey(dir, beside).catch(() => '')));
  const { base, config, configFrom, set, compiler } = ask;
  return contentKey('mutant 1', JSON.stringify({ base, config, configFrom, set, compiler, series }), ...keys);
}

async function tryMutant(
  mutant: Mutant,
  good: GoodTimes,
  plan: Plan,
  run: { dir: string; pool: Pool; signal: AbortSignal },
): Promise<Outcome> {
  const { name, breaks, caughtBy, survives } = mutant;
  const series = [...plan.series, mutant.path];
  const own: Plan = { ...plan, id: `mutant-${name}`, series, checksWarnings: false };
  let caught: Caught | null = null;
  const started = performance.now();
  const [outcome] = await runJobs([own], {
    ...run,
    emit: () => {},
    execute: async (recorder, built, runDir, execution) => {
      const result = await runMutant(caughtBy, good, recorder, built, runDir, execution);
      caught = result.value;
      return { ...result, value: undefined };
    },
  });
  run.signal.throwIfAborted();
  const { job, error, tests } = outcome!;
  const build = job.stages.find((stage) => stage.name === 'kernel')?.duration_ms ?? 0;
  const times = { build_ms: Math.round(build), rest_ms: Math.round(performance.now() - started - build) };
  const nobody = { test: null, case: null };
  if (error) {
    const isOwn =
      error.code === 'does-not-build' || error.code === 'does-not-apply' || error.code === 'config-missing';
    return {
      name,
      breaks,
      outcome: isOwn ? 'does-not-build' : 'error',
      ...nobody,
      detail: error.message,
      ...times,
    };
  }
  const found = caught as Caught | null;
  if (found)
    return {
      name,
      breaks,
      outcome: found.named ? 'caught' : 'elsewhere',
      test: found.test,
      case: found.case,
      detail: found.detail,
      ...times,
    };
  const lost = tests.find(({ verdict }) => verdict === 'error');
  if (lost) return { name, breaks, outcome: 'error', ...nobody, detail: lost.detail, ...times };
  return {
    name,
    breaks,
    outcome: survives === null ? 'survived' : 'explained',
    ...nobody,
    detail: survives ?? '',
    ...times,
  };
}

function line({ name, breaks, outcome, test, case: own, detail, build_ms, rest_ms }: Outcome): string {
  const by = test === null ? '' : ` by ${test}${own === null ? '' : ` ${own}`}`;
  const times = `${Math.round(build_ms / 1000)} s to build, ${Math.round(rest_ms / 1000)} s to test`;
  const head = `${outcome.toUpperCase().padEnd(9)} ${name}${by} (${times})`;
  if (outcome === 'caught') return head;
  return `${head}\n          ${breaks}${detail ? `\n          ${detail}` : ''}`;
}

function summary(outcomes: Outcome[]): string {
  const count = (kind: Outcome['outcome']) => outcomes.filter(({ outcome }) => outcome === kind).length;
  const kinds = ['caught', 'elsewhere', 'explained', 'survived', 'does-not-build', 'error'] as const;
  const parts = kinds.filter((kind) => count(kind) > 0).map((kind) => `${count(kind)} ${kind}`);
  return `${plural(outcomes.length, 'mutant')}: ${parts.join(', ')}`;
}
