// SPDX-License-Identifier: MIT
// Kiln with KVM, on a machine that has none: bin/kiln-in-kiln runs the same tests as TCG does here, with the same results.
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { paths } from '../paths.ts';
import { type Results, readResults } from '../schema.ts';
import { spawn } from '../util/exec.ts';
import { assertExpected, fixture, readCanaries } from './canaries.ts';
import { differences } from './compare.ts';
import { type Called, find, kiln, ownSuite, withTests } from './kiln.ts';

const suites = ['boot', 'srvfs', 'guestmemfs', 'msharefs'].map(ownSuite);
const fixtures = ['kexec', 'canaries', 'hangs'];
const wanted = [
  ...['boot', 'srvfs', 'guestmemfs/files', 'msharefs/sharing'],
  ...['kexec/counts', 'canaries/panic', 'canaries/reboot', 'hangs/starves'],
];
// Two guests at a time would take both processors of the machine from each other.
const args = [...wanted, ...withTests(...suites, ...fixtures.map(fixture)), '--jobs', '1'];
const expected = await readCanaries(...fixtures);

const out = await mkdtemp(join(tmpdir(), 'kiln-in-kiln-'));
const places = { here: join(out, 'here'), there: join(out, 'there'), console: join(out, 'console.log') };
let here: Results;
let there: Results;
let doctor: Called;
let isFailed = false;

test.serial.before(async () => {
  // It builds what the machine then finds in the cache.
  await kiln(['test', ...args, '--accel', 'tcg', '--out', places.here]);
  here = await resultsIn(places.here);
  doctor = await inKiln(['bin/kiln', 'doctor']);
  const told = await inKiln(['bin/kiln', 'test', ...args, '--out', places.there]);
  there = await resultsIn(places.there).catch((cause) => {
    throw new Error(`kiln left no results: ${told.stdout}\n${told.stderr}`, { cause });
  });
});
test.afterEach.always((t) => {
  if (!t.passed) isFailed = true;
});
test.after.always(async () => {
  if (isFailed) console.error(`what the machine left is kept: ${out}`);
  else await rm(out, { recursive: true, force: true });
});

/** Run a command on the emulated machine. */
async function inKiln(command: string[]): Promise<Called> {
  const program = join(paths.root, 'bin', 'kiln-in-kiln');
  const options = ['--share', places.there, '--console', places.console];
  const result = await spawn(program, [...options, ...command], {
    cwd: paths.root,
    stdin: 'ignore',
    endSignal: 'TERM',
  });
  return { exitCode: result.exitCode ?? -1, stdout: String(result.stdout), stderr: String(result.stderr) };
}

async function resultsIn(dir: string): Promise<Results> {
  return readResults(await readFile(join(dir, 'latest', 'results.json'), 'utf8'));
}

test('doctor says that a guest runs with KVM there', (t) => {
  t.regex(doctor.stdout, /^ok +accelerator +kvm: KVM ran a guest here$/m, doctor.stderr);
});

test('the tests run with KVM there, in forks', (t) => {
  t.is(here.jobs[0]!.accelerator.name, 'tcg');
  t.is(there.jobs[0]!.accelerator.name, 'kvm');
  t.is(there.jobs[0]!.accelerator.cpu, 'host');
  const origins = new Set(there.tests.flatMap(({ guest }) => guest?.origin ?? []));
  t.true(origins.has('fork'));
});

test('each case has the same result with KVM as with TCG', (t) => {
  const lacks = there.jobs[0]!.accelerator.lacks ?? [];
  const isSkipped = ({ verdict, guest }: Results['tests'][number]) => verdict === 'skip' && !guest;
  // The emulated machine has no five levels of page tables.
  t.deepEqual(lacks, ['la57']);
  const skipped = there.tests.filter(isSkipped).map(({ suite, test: name }) => `${suite}/${name}`);
  t.deepEqual(skipped.toSorted(), [
    'msharefs/sharing@five-levels-one-cpu',
    'msharefs/sharing@five-levels-pti',
  ]);
  const differing = differences(here, there);
  for (const name of skipped) differing.delete(name);
  t.is([...differing.values()].join('\n\n'), '');
  t.is(here.tests.length, there.tests.length);
  t.true(there.tests.flatMap(({ cases }) => cases).length > 400);
});

for (const name of ['kexec/counts', 'canaries/panic', 'canaries/reboot', 'hangs/starves'])
  test(`${name}: the expected result with KVM`, (t) => {
    const canary = expected.find((one) => one.name === name)!;
    assertExpected(t, there, canary);
  });

test('a test goes through three kernels by kexec with KVM', (t) => {
  const { generations } = find(there, 'kexec/counts');
  t.deepEqual(
    generations!.map(({ by }) => by),
    ['boot', 'kexec', 'kexec'],
  );
});
