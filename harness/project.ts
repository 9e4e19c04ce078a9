// SPDX-License-Identifier: MIT
// Whose series, suites and config fragments are meant: those of the directory that Kiln runs in, or Kiln's own.
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { KilnError } from './errors.ts';
import { paths } from './paths.ts';

/** Absolute paths. */
export type Project = {
  root: string;
  /** A directory for each series; it need not exist. */
  patches: string;
  /** A directory for each suite; null: the project has none of its own. */
  guestTests: string | null;
  /** Where config fragments are looked up by name, the first directory first. */
  kernelConfig: string[];
};

const rooms = ['patches', 'guest-tests', 'kernel-config'];

/**
 * The project at `given`, else the one in the working directory, else Kiln's own. Throws bad-input if `given` is no
 * project.
 */
export function findProject(given: string | undefined, cwd = process.cwd()): Project {
  const root = resolve(cwd, given ?? '.');
  const isProject = rooms.some((room) => existsSync(join(root, room)));
  if (given !== undefined && !isProject)
    throw new KilnError('bad-input', `${root} is no project: it has none of ${rooms.join(', ')}`, {
      hint: `kiln init ${given} lays one out`,
    });
  if (!isProject || root === paths.root) return own;
  const guestTests = join(root, 'guest-tests');
  return {
    root,
    patches: join(root, 'patches'),
    guestTests: existsSync(guestTests) ? guestTests : null,
    kernelConfig: [join(root, 'kernel-config'), paths.kernelConfig],
  };
}

const own: Project = {
  root: paths.root,
  patches: paths.patches,
  guestTests: paths.guestTests,
  kernelConfig: [paths.kernelConfig],
};
