// SPDX-License-Identifier: MIT
// Runs the named parts of the check (parts.ts), or all. A part that has passed on this commit, in a clean working tree,
// is skipped unless --force is given. So an interrupted `make check-all` continues where it stopped.
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { paths } from '../paths.ts';
import { spawn } from '../util/exec.ts';
import { readCachedJson } from '../util/files.ts';
import { git } from '../util/git.ts';
import { parts } from './parts.ts';

type Passed = { commit: string; seconds: number };

const words = process.argv.slice(2);
const isForced = words.includes('--force');
const named = words.filter((word) => word !== '--force');
const unknown = named.filter((name) => !Object.hasOwn(parts, name));
if (unknown.length > 0) {
  console.error(`no part ${unknown.join(', ')}; there are: ${Object.keys(parts).join(', ')}`);
  process.exit(2);
}

const records = join(paths.root, 'node_modules', '.cache', 'kiln-parts');
const failed: string[] = [];
for (const name of named.length > 0 ? named : Object.keys(parts))
  if (!(await runPart(name))) failed.push(name);
if (failed.length > 0) console.error(`failed: ${failed.join(', ')}`);
process.exit(failed.length > 0 ? 1 : 0);

async function runPart(name: string): Promise<boolean> {
  const record = join(records, `${name}.json`);
  const commit = await cleanCommit();
  const passed = await readCachedJson<Passed>(record);
  if (commit !== null && passed?.commit === commit && !isForced) {
    console.log(
      `${name}: skipped, passed in ${passed.seconds} s on ${commit.slice(0, 12)}; FORCE=1 runs it again`,
    );
    return true;
  }
  const started = performance.now();
  let isGood = name !== 'check' || (await runSources());
  for (const group of parts[name]!) isGood = (await runFiles(group)) && isGood;
  const seconds = Math.round((performance.now() - started) / 1000);
  console.log(`${name}: ${isGood ? 'passed' : 'failed'} in ${seconds} s`);
  if (isGood && commit !== null && commit === (await cleanCommit())) {
    await mkdir(records, { recursive: true });
    await writeFile(record, JSON.stringify({ commit, seconds } satisfies Passed));
  }
  return isGood;
}

/** Types, lint and unit tests. */
async function runSources(): Promise<boolean> {
  let isGood = true;
  for (const script of ['check:types', 'check:lint', 'test:unit'])
    isGood = (await run('npm', ['run', '--silent', script])) && isGood;
  return isGood;
}

function runFiles(group: string[]): Promise<boolean> {
  const files = group.map((file) => `harness/e2e/${file}.test.ts`);
  return run('npm', ['run', '--silent', 'test:e2e', '--', ...files]);
}

async function run(file: string, args: string[]): Promise<boolean> {
  const { exitCode } = await spawn(file, args, { cwd: paths.root, stdio: 'inherit' });
  return exitCode === 0;
}

/** The commit, or null if files differ from it or there is none. */
async function cleanCommit(): Promise<string | null> {
  const changes = await git(paths.root, ['status', '--porcelain']).catch(() => null);
  if (changes?.stdout !== '') return null;
  return (await git(paths.root, ['rev-parse', 'HEAD'])).stdout;
}
