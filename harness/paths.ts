// SPDX-License-Identifier: MIT
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** The project's own directories, absolute. */
const root = dirname(import.meta.dirname);
export const paths = {
  root,
  patches: join(root, 'patches'),
  kernelConfig: join(root, 'kernel-config'),
  guestTests: join(root, 'guest-tests'),
  images: join(root, 'images'),
  fixtures: join(root, 'harness', 'fixtures'),
};

/** Kiln's own version, from package.json. */
export const version: string = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).version;

/** How the user started Kiln, for command lines to paste; bin/kiln sets KILN_SELF. */
export const self = process.env.KILN_SELF ?? join(root, 'bin', 'kiln');
