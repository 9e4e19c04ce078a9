// SPDX-License-Identifier: MIT
// Pure: the user's request and what is on disk → one job.
import { resolve } from 'node:path';
import { KilnError } from '../errors.ts';
import type { AcceleratorChoice } from '../guest/accelerator.ts';
import type { Fragment } from '../kernel/fragment.ts';
import type { CompilerChoice } from '../kernel/toolchain.ts';
import { paths } from '../paths.ts';
import type { Project } from '../project.ts';
import type { SandboxChoice } from '../sandbox/sandbox.ts';
import { seriesName } from '../series/series.ts';
import type { Isolation, Settings } from '../suite/settings.ts';
import type { Suite, Test } from '../suite/suite.ts';
import { quote } from '../util/quote.ts';

/** The user's request, with defaults filled in. */
export type Ask = {
  /** `suite`, `suite/test` or `suite/test@section`; empty means all. */
  select: string[];
  /** Sources of series; null means all of patches/. */
  series: string[] | null;
  /** Sources of series to apply before those. */
  with: string[];
  /** vN of the series in `series`, in place of the newest complete version. */
  revision: number | null;
  /** How many patches of the series in `series` to apply; null: all. */
  upTo: number | null;
  /** Go on without the parts of a series that are missing. */
  allowIncomplete: boolean;
  /** A directory of public-inbox, for series given as lore:MESSAGE-ID; null: from the network. */
  inbox: string | null;
  base: string;
  /** Names and paths of config fragments. */
  config: string[];
  /** A whole configuration to start from, in place of Kiln's own; a path. */
  configFrom: string | null;
  /** Single config lines: `X=value`. */
  set: string[];
  compiler: CompilerChoice;
  /** Directories of tests to run in place of the default suites. */
  tests: string[];
  accel: AcceleratorChoice;
  /** Whether programs of the series and the suites are sandboxed at build time; auto: if the machine can. */
  sandbox: SandboxChoice;
  /** Seconds; overrides every suite's own limit. */
  timeout: number | null;
  /** Directories of kernels, or `same`, for the generations that follow the first, in turn. */
  next: string[];
  /** Overrides every test's own. */
  generations: number | null;
  /** Whose series, suites and fragments are meant. */
  project: Project;
  /** Guests at once. */
  jobs: number;
  /** Overrides every suite's own. */
  isolate: Isolation | null;
};

export const defaultBase = 'debian:linux-source-6.12';

/** A suite as it is to be run. */
export type PlannedSuite = {
  suite: Suite;
  /** The tests to run, in order; none if the suite was not chosen. */
  tests: Test[];
  /** The user named it: if its config can't be had, that is an error and it is not left out. */
  required: boolean;
  /** Only its config counts, so that the kernel is that of the default suites. */
  configOnly: boolean;
};

export type Plan = {
  id: string;
  /** All series, in the order of application. */
  series: string[];
  /** The first of them: those that only --with asked for. */
  with: string[];
  suites: PlannedSuite[];
  /** Whether the files that the series touches are compiled with W=1, too. */
  checksWarnings: boolean;
  /** Options that build the files which the series touches; null: only `kiln ci` asks for them. */
  touched: Fragment | null;
  ask: Ask;
};

/**
 * @param seriesKept the names in patches/
 * @param suites the default suites
 * @param given those of --tests, to run in place of them
 */
export function plan(ask: Ask, seriesKept: string[], suites: Suite[], given: Suite[] = []): Plan {
  const isGiven = ask.tests.length > 0;
  const chosen = isGiven ? given : suites;
  refuseNamesakes(chosen);
  const others = isGiven ? suites.filter(({ name }) => !given.some((suite) => suite.name === name)) : [];
  const series = ask.series ?? seriesKept;
  const added = [...new Set(ask.with)].filter((source) => !series.includes(source));
  const parts = [
    series.map(nameOf).join('+') || 'base',
    ...(added.length === 0 ? [] : [`with-${added.map(nameOf).join('+')}`]),
    ...ask.config,
  ];
  return {
    id: parts
      .join('-')
      .replace(/[^A-Za-z0-9._+-]+/g, '_')
      .slice(0, 100),
    series: [...added, ...series],
    with: added,
    suites: [
      ...others.map((suite) => ({ suite, tests: [], required: false, configOnly: true })),
      ...chooseTests(ask, chosen),
    ],
    checksWarnings: true,
    touched: null,
    ask,
  };
}

/** Plans of one run, each with an id of its own: those that would share one are numbered from the second on. */
export function withUniqueIds(plans: readonly Plan[]): Plan[] {
  const taken = new Set<string>();
  return plans.map((one) => {
    let id = one.id;
    for (let number = 2; taken.has(id); number++) id = `${one.id}-${number}`;
    taken.add(id);
    return { ...one, id };
  });
}

/** The name of a series by its source alone, before it is read. */
function nameOf(source: string): string {
  return seriesName(resolve(source)) || 'root';
}

function refuseNamesakes(suites: Suite[]): void {
  for (const { name } of suites) {
    const dirs = suites.filter((suite) => suite.name === name).map(({ dir }) => dir);
    if (dirs.length > 1)
      throw new KilnError('usage', `${dirs.length} suites are called "${name}": ${dirs.join(', ')}`, {
        hint: 'results, selectors and guests know a suite by its name: rename or leave out one',
      });
  }
}

/** Every suite, each with the tests to run: one not chosen still has its say in the config, so that any selection
 *  runs on the same kernel. */
function chooseTests(ask: Ask, suites: Suite[]): PlannedSuite[] {
  const all = ask.select.length === 0;
  const chosen = new Map(suites.map(({ name, tests }) => [name, all ? tests : []]));
  for (const selector of ask.select) {
    const [suiteName, testName, more] = selector.split('/') as [string, string?, string?];
    if (more !== undefined)
      throw unknown(`"${selector}" is neither a suite nor suite/test`, [...chosen.keys()]);
    const suite = suites.find(({ name }) => name === suiteName);
    if (!suite) throw unknown(`no suite "${suiteName}"`, [...chosen.keys()]);
    const already = chosen.get(suiteName) ?? [];
    chosen.set(suiteName, [...new Set([...already, ...namedTests(suite, testName)])]);
  }
  return suites.map((suite) => {
    const tests = chosen.get(suite.name) ?? [];
    const required = ask.tests.length > 0 || (!all && tests.length > 0);
    return { suite, tests, required, configOnly: false };
  });
}

/** `test` is a program with all its sections, `test@section` one of them, `test@` the program without. */
function namedTests({ name: suite, tests }: Suite, test: string | undefined): Test[] {
  if (test === undefined) return tests;
  const named = tests.filter(({ name, program }) => [name, program].includes(test) || `${name}@` === test);
  if (named.length === 0)
    throw unknown(
      `no test "${test}" in ${suite}`,
      tests.map(({ name }) => name),
    );
  return named;
}

function unknown(problem: string, known: string[]): KilnError {
  return new KilnError('usage', problem, { hint: `there are: ${known.join(', ') || '(none)'}` });
}

/** Default suites that the tree has no code for: `config` names a symbol that no Kconfig file defines. */
export function leaveOut(
  suites: PlannedSuite[],
  wants: (suite: PlannedSuite) => string[],
  symbols: ReadonlySet<string>,
): { run: PlannedSuite[]; leftOut: { suite: string; reason: string }[] } {
  const run: PlannedSuite[] = [];
  const leftOut: { suite: string; reason: string }[] = [];
  for (const planned of suites) {
    const undefinedSymbols = wants(planned).filter((symbol) => !symbols.has(symbol));
    if (planned.required || undefinedSymbols.length === 0) run.push(planned);
    else if (!planned.configOnly) {
      const names = undefinedSymbols.map((symbol) => `CONFIG_${symbol}`).join(', ');
      leftOut.push({
        suite: planned.suite.name,
        reason: `the tree does not define ${names}: its series is not applied`,
      });
    }
  }
  return { run, leftOut };
}

/** How many kernels a test goes through. --generations is for those that go anywhere. */
export function countGenerations({ ask }: Plan, { generations = 1 }: Settings): number {
  return generations > 1 ? (ask.generations ?? generations) : 1;
}

/**
 * What shares a guest with a test. One that goes to other kernels leaves nothing that another could use; and a reset
 * leads to its first kernel again only where QEMU was given one.
 */
export function isolationOf(plan: Plan, settings: Settings): Isolation {
  const wanted = plan.ask.isolate ?? settings.isolation ?? 'test';
  if (countGenerations(plan, settings) === 1) return wanted;
  return [wanted, settings.isolation].includes('boot') ? 'boot' : 'test';
}

/** The options that make the same job again, quoted for a shell. */
export function jobOptions(ask: Ask): string {
  const words = [
    ...(ask.series === null
      ? []
      : ask.series.length === 0
        ? ['--no-series']
        : ask.series.flatMap((source) => ['--series', source])),
    ...ask.with.flatMap((source) => ['--with', source]),
    ...(ask.revision === null ? [] : ['--revision', String(ask.revision)]),
    ...(ask.upTo === null ? [] : ['--up-to', String(ask.upTo)]),
    ...(ask.allowIncomplete ? ['--allow-incomplete'] : []),
    ...(ask.inbox === null ? [] : ['--inbox', ask.inbox]),
    ...(ask.project.root === paths.root ? [] : ['--project', ask.project.root]),
    ...(ask.base === defaultBase ? [] : ['--base', ask.base]),
    ...(ask.config.length === 0 ? [] : ['--config', ask.config.join(',')]),
    ...(ask.configFrom === null ? [] : ['--config-from', ask.configFrom]),
    ...ask.set.flatMap((line) => ['--set', line]),
    ...(ask.compiler.llvm === null ? [] : [`--llvm=${ask.compiler.llvm}`]),
    ...(ask.compiler.cc === null ? [] : ['--cc', ask.compiler.cc]),
    ...ask.tests.flatMap((dir) => ['--tests', dir]),
    ...(ask.accel === 'auto' ? [] : ['--accel', ask.accel]),
    ...(ask.sandbox === 'auto' ? [] : ['--sandbox', ask.sandbox]),
    ...(ask.next.every((kernel) => kernel === 'same') ? [] : ask.next.flatMap((dir) => ['--next', dir])),
    ...(ask.generations === null ? [] : ['--generations', String(ask.generations)]),
    ...(ask.isolate === null ? [] : ['--isolate', ask.isolate]),
    ...(ask.timeout === null ? [] : ['--timeout', String(ask.timeout)]),
  ];
  return words.map((word) => ` ${quote(word)}`).join('');
}
