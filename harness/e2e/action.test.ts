// SPDX-License-Identifier: MIT
// The shell steps of the GitHub action, as GitHub runs them, on a toy source.
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { YAML } from 'zx';
import { paths } from '../paths.ts';
import { readResults } from '../schema.ts';
import { exec } from '../util/exec.ts';
import { toy } from './toy.ts';

type Step = { name?: string; run?: string; env?: Record<string, string> };
type Action = { runs: { steps: Step[] } };

const action = YAML.parse(await readFile(join(paths.root, 'action.yml'), 'utf8')) as Action;

/** Put values in the place of `${{ … }}`, and run a step with bash as `shell: bash` does. */
async function run(name: string, values: Record<string, string>, cwd: string, env: Record<string, string>) {
  const step = action.runs.steps.find((one) => one.name === name)!;
  const filled = Object.entries(step.env ?? {}).map(([variable, text]) => [
    variable,
    text.replace(/\$\{\{ *([\w.-]+) *\}\}/g, (_, key: string) => values[key]!),
  ]);
  const words = ['--noprofile', '--norc', '-eo', 'pipefail', '-c', step.run!];
  const okCodes = Array.from({ length: 256 }, (_, code) => code);
  return exec('bash', words, { cwd, okCodes, env: { ...Object.fromEntries(filled), ...env } });
}

async function resultsIn(dir: string) {
  return readResults(await readFile(join(dir, 'kiln-runs', 'latest', 'results.json'), 'utf8'));
}

test('the action tests a series, reports it, and ends with the exit code of the run', async (t) => {
  const { dir, source, cache, series } = await toy(t);
  const [, range] = await series({ 'a.c': 'int a;' });
  const summary = join(dir, 'summary.md');
  await writeFile(summary, '');
  const values = {
    'github.action_path': paths.root,
    'inputs.series': range!,
    'inputs.base': `git:${source}#base`,
    'inputs.repo': source,
    'inputs.suites': '',
    'inputs.fail-on': 'tags,warnings',
    'inputs.arguments': '--no-debug --accel tcg',
  };
  const env = { XDG_CACHE_HOME: cache, TMPDIR: join(dir, 'tmp'), GITHUB_STEP_SUMMARY: summary };
  t.is((await run('Allow KVM', values, dir, env)).exitCode, 0);
  t.is((await run('Set up', values, dir, env)).exitCode, 0);

  const tested = await run('Test', values, dir, env);
  // The toy has no headers for the tests.
  t.is(tested.exitCode, 69, tested.stderr);
  const lines = tested.stdout.split('\n');
  const [, token] = /^::stop-commands::([0-9a-f]{32})$/.exec(lines[0]!)!;
  t.is(lines.filter((line) => line === `::${token}::`).length, 1);
  t.true(
    lines.findLastIndex((line) => line.startsWith('results: kiln-runs/')) < lines.indexOf(`::${token}::`),
  );

  // The commit has no Signed-off-by.
  const { ci } = await resultsIn(dir);
  t.regex(ci!.failures.join('\n'), /^patch 1 \(a change\): tags: /);

  const reported = await run('Report', values, dir, env);
  t.is(reported.exitCode, 0, reported.stderr);
  t.regex(await readFile(summary, 'utf8'), /the base by itself runs no test/);
});

test('a patch that does not apply ends the action with exit code 3, and nothing is built', async (t) => {
  const { dir, source, cache } = await toy(t);
  const diff = ['--- a/none.c', '+++ b/none.c', '@@ -1 +1 @@', '-int a;', '+int b;', ''].join('\n');
  const head = 'From: A. Uthor <a@example.org>\nSubject: [PATCH] change nothing\n\n---\n';
  const mail = join(dir, 'change.patch');
  await writeFile(mail, `${head}diff --git a/none.c b/none.c\n${diff}`);
  const values = {
    ...{ 'github.action_path': paths.root, 'inputs.series': mail, 'inputs.base': `git:${source}#base` },
    ...{ 'inputs.repo': '', 'inputs.suites': '', 'inputs.fail-on': '', 'inputs.arguments': '--no-debug' },
  };
  const tested = await run('Test', values, dir, { XDG_CACHE_HOME: cache, TMPDIR: join(dir, 'tmp') });
  t.is(tested.exitCode, 3, tested.stderr);
  const { ci, jobs } = await resultsIn(dir);
  t.deepEqual(jobs, []);
  t.like(ci!.patches[0]!.checks[0], { name: 'apply', status: 'fail' });
  t.regex(ci!.failures.join(), /none\.c/);
});

test('an action without results has no report, and does not fail for that', async (t) => {
  const { dir } = await toy(t);
  const { exitCode, stdout } = await run('Report', { 'github.action_path': paths.root }, dir, {});
  t.deepEqual([exitCode, stdout], [0, '']);
});
