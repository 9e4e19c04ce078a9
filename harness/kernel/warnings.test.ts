// SPDX-License-Identifier: MIT
// Real make and gcc on the toy tree.
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { paths } from '../paths.ts';
import { quietContext } from '../testing/context.ts';
import { exec } from '../util/exec.ts';
import { compileWithWarnings } from './warnings.ts';
import type { Workspace } from './workspace.ts';

test('objects that are left from earlier builds are not compiled', async (t) => {
  const dir = await mkdtemp(join(tmpdir(), 'kiln-warnings-'));
  t.teardown(() => rm(dir, { recursive: true, force: true }));
  const [source, build] = [join(dir, 'source'), join(dir, 'build')];
  await cp(join(paths.root, 'harness', 'fixtures', 'toy'), source, { recursive: true });
  await mkdir(join(build, 'init'), { recursive: true });
  for (const name of ['one', 'gone']) await writeFile(join(build, 'init', `${name}.o`), '');
  await writeFile(join(source, 'init', 'one.c'), 'static int unused;\n');
  const workspace = { source, build, seen: { source, build }, compiler: ['CC=gcc'] } as unknown as Workspace;
  const files = ['init/one.c', 'init/gone.c', 'init/absent.c'];
  const find = () =>
    compileWithWarnings(workspace, { patches: [] } as never, files, quietContext(join(dir, 'cache')));
  const warnings = await find();
  t.deepEqual(
    warnings.map(({ file, severity }) => [file, severity]),
    [['init/one.c', 'warning']],
  );

  // Its option is off by now, so that the kernel was linked without it, and it need not compile. Kiln
  // builds no modules, also where the kernel could load some.
  await writeFile(join(source, 'init', 'gone.c'), 'int gone(void) { return nothing; }\n');
  await writeFile(join(build, '.config'), 'CONFIG_MODULES=y\n');
  await exec('ar', ['rcsT', 'vmlinux.a', 'init/one.o'], { cwd: build });
  t.is((await find()).length, 1);
});
