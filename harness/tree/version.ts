// SPDX-License-Identifier: MIT
import type { Context } from '../context.ts';
import { KilnError } from '../errors.ts';
import { git } from '../util/git.ts';
import type { Base } from './base.ts';

/** The oldest Linux that Kiln's fragments and tests are tried on (harness/e2e/kernels.test.ts). */
const oldest = [6, 1] as const;

/** Throws bad-input if a base is no Linux, or an older one. */
export async function requireLinux(base: Base, { signal }: Context): Promise<void> {
  const show = await git(base.gitDir, ['cat-file', 'blob', `${base.commit}:Makefile`], {
    signal,
    okCodes: [0, 1, 128],
  });
  const number = (name: string) => new RegExp(`^${name} = (\\d+)`, 'm').exec(show.stdout)?.[1];
  const [version, patchlevel] = [number('VERSION'), number('PATCHLEVEL')];
  if (version === undefined || patchlevel === undefined)
    throw new KilnError('bad-input', `${base.source} is not a kernel tree: its Makefile has no VERSION`, {
      hint: 'a base is a whole tree of Linux',
    });
  const [major, minor] = oldest;
  const isOlder = Number(version) < major || (Number(version) === major && Number(patchlevel) < minor);
  if (isOlder)
    throw new KilnError('bad-input', `${base.source} is Linux ${version}.${patchlevel}`, {
      hint: `Kiln tests Linux ${oldest.join('.')} and newer`,
    });
}
