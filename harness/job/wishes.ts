// SPDX-License-Identifier: MIT
// What a job asks of the kernel's configuration: everything that can be read without a tree.
import * as arch from '../guest/arch/x86_64.ts';
import { always, readBootWords, readFragments, readSettings, readSuiteFragment } from '../kernel/config.ts';
import type { Fragment } from '../kernel/fragment.ts';
import { describeWholeConfig, guestNeeds, readWholeConfig } from '../kernel/wholeConfig.ts';
import { contentKey } from '../util/hash.ts';
import type { Plan, PlannedSuite } from './plan.ts';

/** The configuration that a plan asks for. */
export type Wishes = {
  /** Kiln's own, or a whole configuration. Later wishes win: these, the suites', those of the command line. */
  own: Fragment[];
  suites: Map<PlannedSuite, Fragment>;
  asked: Fragment[];
  /** Kconfig's defaults for what none of them names. */
  defaults: boolean;
  /** Kernel arguments. */
  bootWords: string;
  /** For people. */
  label: string;
  /** The build directory's name. Configurations with one name take turns in it. */
  buildName: string;
  warnings: string[];
  notes: string[];
};

/** Throws bad-input or usage if there is a mistake in a fragment. */
export async function readWishes({ ask, suites }: Plan): Promise<Wishes> {
  const dirs = ask.project.kernelConfig;
  const named = await readFragments(dirs, ask.config);
  const whole = ask.configFrom === null ? null : await readWholeConfig(ask.configFrom);
  const everywhere = named.slice(0, always.length);
  const needs = [...everywhere.map(onlyNeeded), guestNeeds];
  const own = whole === null ? everywhere : [whole.fragment, ...needs];
  const set = ask.set.length === 0 ? [] : [readSettings(ask.set)];
  const ofSuites = suites.map((planned) => ({ planned, ...readSuiteFragment(planned.suite) }));
  return {
    own,
    asked: [...named.slice(always.length), ...set],
    suites: new Map(ofSuites.map(({ planned, fragment }) => [planned, fragment])),
    defaults: whole !== null,
    bootWords: await readBootWords(dirs, ask.config),
    label: [whole === null ? 'base' : ask.configFrom, arch.name, ...ask.config, ...ask.set].join(' + '),
    buildName: buildName(ask),
    warnings: ofSuites.flatMap(({ planned, warning }) =>
      warning === null || planned.configOnly ? [] : [warning],
    ),
    notes: whole === null ? [] : describeWholeConfig(whole, needs),
  };
}

function onlyNeeded(fragment: Fragment): Fragment {
  return { ...fragment, wishes: fragment.wishes.filter(({ need }) => need !== 'preferred') };
}

/** Fragments of a name build apart; single lines do not, because make rebuilds only what they reach. */
function buildName({ config, configFrom, compiler }: Plan['ask']): string {
  const names = config.filter((name) => !name.includes('/') && !name.endsWith('.config'));
  const parts = [
    ...names.toSorted(),
    ...(configFrom === null ? [] : [`from-${contentKey(configFrom)}`]),
    ...(compiler.llvm === null && compiler.cc === null
      ? []
      : [`by-${contentKey(compiler.llvm ?? '', compiler.cc ?? '')}`]),
  ];
  return parts.join('+') || 'default';
}

/** A suite whose tests do not run has its say in the configuration, but can't fail the run. */
export function asPreferred(fragment: Fragment): Fragment {
  return { ...fragment, wishes: fragment.wishes.map((wish) => ({ ...wish, need: 'preferred' })) };
}
