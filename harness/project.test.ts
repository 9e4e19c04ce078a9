// SPDX-License-Identifier: MIT
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import type { KilnError } from './errors.ts';
import { paths } from './paths.ts';
import { findProject } from './project.ts';

test("a directory with one of the three is a project; Kiln's own stands in elsewhere", async (t) => {
  const dir = await mkdtemp(join(tmpdir(), 'kiln-project-'));
  t.teardown(() => rm(dir, { recursive: true, force: true }));
  const [mine, other] = [join(dir, 'mine'), join(dir, 'other')];
  await mkdir(join(mine, 'kernel-config'), { recursive: true });
  await mkdir(other);
  const project = findProject(undefined, mine);
  t.deepEqual(project, {
    root: mine,
    patches: join(mine, 'patches'),
    guestTests: null,
    kernelConfig: [join(mine, 'kernel-config'), paths.kernelConfig],
  });
  await mkdir(join(mine, 'guest-tests'));
  t.is(findProject('../mine', other).guestTests, join(mine, 'guest-tests'));
  t.is(findProject(undefined, other).root, paths.root);
  t.is(findProject(undefined, paths.root).kernelConfig.length, 1);
  const error = t.throws<KilnError>(() => findProject(other, dir));
  t.is(error.code, 'bad-input');
  t.regex(error.hint, /^kiln init /);
});
