// SPDX-License-Identifier: MIT
import { execFileSync } from 'node:child_process';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { scratchDirectory, sweep } from './scratch.ts';

async function parent(t: ExecutionContext): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'scratch-test-'));
  t.teardown(() => rm(dir, { recursive: true, force: true }));
  return dir;
}

test('a scratch directory is removed when it is disposed', async (t) => {
  const dir = await parent(t);
  {
    await using scratch = await scratchDirectory(dir);
    await writeFile(join(scratch.path, 'file'), '');
    t.is((await readdir(dir)).length, 1);
  }
  t.deepEqual(await readdir(dir), []);
});

test('a process that exits early leaves none', async (t) => {
  const dir = await parent(t);
  const script = `import { scratchDirectory } from '${import.meta.dirname}/scratch.ts'; await scratchDirectory('${dir}'); process.exit(1);`;
  t.throws(() => execFileSync(process.execPath, ['--input-type=module-typescript', '-e', script]));
  t.deepEqual(await readdir(dir), []);
});

test('the directories of a killed process are removed, those of a living one are not', async (t) => {
  const dir = await parent(t);
  const script = `import { scratchDirectory } from '${import.meta.dirname}/scratch.ts'; await scratchDirectory('${dir}'); process.kill(process.pid, 'SIGKILL');`;
  t.throws(() =>
    execFileSync(process.execPath, ['--input-type=module-typescript', '-e', script], { stdio: 'ignore' }),
  );
  await using alive = await scratchDirectory(dir);
  await writeFile(join(dir, 'kiln-notes'), '');
  t.is((await readdir(dir)).length, 3);
  await sweep(dir);
  t.deepEqual((await readdir(dir)).sort(), [alive.path.slice(dir.length + 1), 'kiln-notes'].sort());
});
