// SPDX-License-Identifier: MIT
// Pure: the plan of a whole series → those of its base and of each of its patches.
import { KilnError } from '../errors.ts';
import type { Plan, PlannedSuite } from '../job/plan.ts';
import type { Suite } from '../suite/suite.ts';

/** The jobs of `kiln ci`. */
export type CiPlans = {
  /** The base without the series. */
  base: Plan;
  /** The tree after each patch, from the first on. The last one runs all tests, the others the smoke test and
   *  the suites that their patch touches. */
  steps: Plan[];
  /** Base and whole series once more, on a kernel that checks itself; null: not wanted. */
  debug: { config: string[]; base: Plan; whole: Plan } | null;
};

/**
 * @param plan of the whole series
 * @param count how many of its patches apply, at least 1
 * @param smoke a suite that needs no series: what runs on every step
 * @param debug fragments for the debug kernel; none: there is no such kernel
 * @param touched the names of the suites that a patch touches, by its number
 */
export function ciPlans(
  plan: Plan,
  count: number,
  smoke: Suite,
  debug: string[] = [],
  touched: (number: number) => ReadonlySet<string> = () => new Set(),
): CiPlans {
  const width = String(count).length;
  const suites = plan.suites.map(optional);
  const step = (number: number): Plan => ({
    ...plan,
    id: `patch-${String(number).padStart(width, '0')}`,
    suites: number === count ? plan.suites : only(suites, smoke, touched(number)),
    checksWarnings: false,
    ask: { ...plan.ask, upTo: number },
  });
  const base: Plan = {
    ...plan,
    id: 'base',
    series: plan.with,
    suites,
    ask: { ...plan.ask, series: [] },
  };
  const steps = Array.from({ length: count }, (_, index) => step(index + 1));
  const onDebug = (one: Plan): Plan => ({
    ...one,
    id: `${one.id}-${debug.join('-')}`,
    ask: { ...one.ask, config: [...one.ask.config, ...debug] },
  });
  return {
    base,
    steps,
    debug: debug.length === 0 ? null : { config: debug, base: onDebug(base), whole: onDebug(steps.at(-1)!) },
  };
}

/** With source lines in the stacks of reports. A whole configuration of the user's decides that itself. */
export function withDebugInfo(plan: Plan): Plan {
  const { ask } = plan;
  const fragment = 'debuginfo';
  if (ask.configFrom !== null || ask.config.includes(fragment)) return plan;
  return { ...plan, ask: { ...ask, config: [...ask.config, fragment] } };
}

/** Programs that show the bug which a series fixes run on the base and on the whole series. */
export function withReproducer(plan: Plan, reproducer: Suite): Plan {
  const { name, dir } = reproducer;
  if (plan.suites.some(({ suite }) => suite.name === name))
    throw new KilnError('usage', `--reproducer ${dir}: there is a suite called "${name}"`, {
      hint: 'rename the directory, or give a C file',
    });
  const own = { suite: reproducer, tests: reproducer.tests, required: true, configOnly: false };
  return { ...plan, suites: [...plan.suites, own] };
}

/** What the series adds is not there before it. */
function optional(planned: PlannedSuite): PlannedSuite {
  return { ...planned, required: false };
}

/** All suites have their say in the configuration, and their programs are in the image; the smoke test and some run. */
function only(suites: readonly PlannedSuite[], smoke: Suite, touched: ReadonlySet<string>): PlannedSuite[] {
  const others = suites.filter(({ suite }) => suite.name !== smoke.name);
  const own = suites.find(({ suite }) => suite.name === smoke.name)?.suite ?? smoke;
  return [
    ...others.map((planned) => (touched.has(planned.suite.name) ? planned : { ...planned, tests: [] })),
    { suite: own, tests: own.tests, required: false, configOnly: false },
  ];
}
