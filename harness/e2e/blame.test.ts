// SPDX-License-Identifier: MIT
// Ten series on a real kernel: four break a test always, two make it flaky, two change nothing that it sees, and two
// meet a test that is flaky anyway.
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { cacheDirectory } from '../context.ts';
import { defaultBase } from '../job/plan.ts';
import { paths } from '../paths.ts';
import type { Change } from '../schema.ts';
import { quietContext } from '../testing/context.ts';
import { prepareBase } from '../tree/base.ts';
import { scratchDirectory } from '../util/scratch.ts';
import { type BlameSeries, blameSeries, writeBlameSeries } from './blameSeries.ts';
import { kilnTest } from './kiln.ts';

const suite = join(paths.root, 'harness', 'fixtures', 'blame');
/** A test that fails now and then may pass when it runs first, and then nothing is asked. */
const mostRuns = 12;

const scratch = await scratchDirectory(tmpdir());
const { base } = await prepareBase(defaultBase, quietContext(cacheDirectory()));

/** Run the series until a failure is asked about, if it has a test that fails now and then. */
async function changesOf(one: BlameSeries): Promise<Change[]> {
  const series = await writeBlameSeries(one, base, scratch.path);
  // Linux 6.12 can crash at boot without this fix.
  const args = [
    series,
    `blame/${one.test}`,
    '--tests',
    suite,
    '--no-debug',
    '--with',
    'ioapic-race',
    '--again',
  ];
  const isFlaky = one.test !== 'calls' || (one.breaks !== null && one.breaks.share < 1);
  for (let run = 1; ; run++) {
    const changes = await kilnTest(args, ({ results }) => results.ci!.changes, { command: 'ci' });
    if (changes.length > 0 || !isFlaky || run === mostRuns) return changes;
  }
}

for (const one of blameSeries)
  test.serial(`the series ${one.name} is blamed for what it breaks, and for nothing else`, async (t) => {
    const changes = await changesOf(one);
    for (const { sentence, patch } of changes) t.log(`${sentence}; patch ${patch}`);
    const blamed = changes.filter(({ kind }) => kind === 'new-failure');
    if (one.breaks === null) {
      t.deepEqual(blamed, []);
      if (one.test === 'calls') t.deepEqual(changes, []);
      return;
    }
    const { case: name, share, patch } = one.breaks;
    t.deepEqual([...new Set(changes.map((change) => change.case))], [name]);
    // A smaller rise may stay undecided, or be ruled out to be a great one.
    if (share >= 0.5) t.is(blamed.length, 1);
    for (const change of blamed) t.is(change.patch, patch);
    if (share === 1) t.like(blamed[0], { patched: { failed: blamed[0]!.patched.runs }, base: { failed: 0 } });
  });
