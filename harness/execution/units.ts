// SPDX-License-Identifier: MIT
// Pure: a planned suite → units.
import { join } from 'node:path';
import { machineFor } from '../guest/qemu.ts';
import type { Built } from '../job/built.ts';
import { countGenerations, isolationOf, jobOptions, type Plan, type PlannedSuite } from '../job/plan.ts';
import { limits } from '../limits.ts';
import { self } from '../paths.ts';
import type { Isolation } from '../suite/settings.ts';
import type { Suite, Test } from '../suite/suite.ts';
import { quote } from '../util/quote.ts';
import { collected } from './collect.ts';
import type { NextKernel, TestRequest, Unit } from './request.ts';

/** The units of a suite, in the plan's order. */
export function unitsOf(plan: Plan, built: Built, { suite, tests }: PlannedSuite, runDir: string): Unit[] {
  const all = tests.map((test) => {
    const isolation = isolationOf(plan, test.settings);
    return { isolation, request: requestFor(plan, built, suite, test, isolation, runDir) };
  });
  // Tests share a guest only if it is the one that each of them asks for.
  const groups = Map.groupBy(all, ({ isolation, request: { test, machine } }) =>
    isolation === 'suite' ? JSON.stringify(machine) : test,
  );
  return [...groups.values()].map((group) => ({
    isolation: group[0]!.isolation,
    requests: group.map(({ request }) => request),
  }));
}

function requestFor(
  plan: Plan,
  built: Built,
  { name: suite, dir }: Suite,
  { name, program, settings }: Test,
  isolation: Isolation,
  runDir: string,
): TestRequest {
  const generations = countGenerations(plan, settings);
  const broken = built.image.broken[`${suite}/${program}`];
  const lacks = (settings.needs_cpu ?? []).filter((feature) => built.accelerator.lacks?.includes(feature));
  const next = (generation: number) => nextKernel(built, `${suite}/${program}`, generation);
  return {
    job: plan.id,
    suite,
    test: name,
    program,
    suiteDir: dir,
    ...(broken === undefined ? {} : { broken }),
    ...(lacks.length > 0 ? { lacks } : {}),
    args: [],
    machine: machineFor(settings, built),
    origin: isolation === 'boot' ? 'boot' : 'fork',
    limit: settings.timeout ?? limits.test / 1000,
    ...(plan.ask.timeout === null ? {} : { fixedLimit: plan.ask.timeout }),
    expectSplats: settings.expect_splat ?? [],
    collect: collected,
    ...(generations > 1 ? { kexec: { generations, next, sent: generations - 1 } } : {}),
    runDir,
    guestDir: join(runDir, 'guests', plan.id, suite, name),
    reproduce: commandFor(plan, suite, name),
  };
}

/** A command line that runs one test again. */
export function commandFor({ ask }: Plan, suite: string, test: string): string {
  return `cd ${quote(process.cwd())} && ${quote(self)} test ${suite}/${test}${jobOptions(ask)}`;
}

/** The kernels of --next in turn. Their initramfs holds only the agent and the one test program. */
export function nextKernel({ next }: Built, test: string, generation: number): NextKernel {
  const kernel = next.kernels[(generation - 1) % next.kernels.length]!;
  const initramfs = next.images.get(test);
  if (!initramfs) throw new Error(`no image was made for the next kernel of ${test}`);
  return { kernel, initramfs };
}
