// SPDX-License-Identifier: MIT
// Two jobs in one run share a pool, but have their own ids, results and logs.
import { access, mkdtemp, readFile, rm } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { readPlan } from '../commands/ask.ts';
import { runPlans } from '../commands/test.ts';
import type { KilnEvent } from '../events.ts';
import { View } from '../report/terminal.ts';
import { createRunDirectory } from '../results/runDirectory.ts';
import { readResults } from '../schema.ts';

test('two jobs share a run, and each has its own results', async (t) => {
  const out = await mkdtemp(join(tmpdir(), 'kiln-e2e-'));
  t.teardown(() => rm(out, { recursive: true, force: true }));
  const ask = { base: 'debian:linux-source-6.12', accel: 'auto', sandbox: 'auto' } as const;
  const plans = [await readPlan(['boot'], ask), await readPlan(['boot', 'srvfs/flags'], ask)];
  const events: KilnEvent[] = [];
  const run = await createRunDirectory(out);
  const { signal } = new AbortController();
  const results = await runPlans(plans, run, new Date(), (event) => events.push(event), signal);

  t.is(results.exit_code, 0);
  const [first, second] = results.jobs.map(({ id }) => id) as [string, string];
  t.is(second, `${first}-2`);
  const names = (job: string) =>
    results.tests.filter((one) => one.job === job).map(({ suite, test: name }) => `${suite}/${name}`);
  t.deepEqual(names(second), [...names(first), 'srvfs/flags']);
  const written = readResults(await readFile(join(run.dir, 'results.json'), 'utf8'));
  t.deepEqual(written, readResults(JSON.stringify(results)));
  for (const { guest, job } of results.tests) {
    t.true(guest!.console.startsWith(`guests/${job}/`));
    await access(join(run.dir, guest!.console));
  }
  // The second job builds while the tests of the first one run, but never during its build.
  const kernelStages = events.flatMap((event) =>
    (event.type === 'stage-start' || event.type === 'stage-end') && event.stage === 'kernel'
      ? [`${event.type} ${event.job}`]
      : [],
  );
  t.deepEqual(kernelStages, [
    `stage-start ${first}`,
    `stage-end ${first}`,
    `stage-start ${second}`,
    `stage-end ${second}`,
  ]);
  const guests = events.flatMap((event) => (event.type === 'tests-planned' ? [event.guests] : []));
  t.true(guests.every((count) => count <= availableParallelism()));
  const view = new View(['base', 'series', 'config', 'kernel', 'image', 'tests']);
  for (const event of events) view.take(event);
  const shown = view.lines('*', 200);
  t.deepEqual(
    shown.map((line) => line.replace(/: Run the tests: .*/, '')),
    [`✔ ${first}`, `✔ ${second}`],
  );
});
