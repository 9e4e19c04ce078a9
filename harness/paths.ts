// SPDX-License-Identifier: MIT
import { existsSync, readFileSync } from 'node:fs';
import { dirname, extname, join } from 'node:path';

/** Holds harness/ as it runs: the root, or dist/ in an installed package. */
const code = dirname(import.meta.dirname);
const root = existsSync(join(code, 'package.json')) ? code : dirname(code);

/** Kiln's own directories, absolute. */
export const paths = {
  root,
  code,
  patches: join(root, 'patches'),
  kernelConfig: join(root, 'kernel-config'),
  guestTests: join(root, 'guest-tests'),
  images: join(root, 'images'),
  fixtures: join(root, 'harness', 'fixtures'),
};

/** Of Kiln's own code: .ts, or .js in an installed package. */
export const extension = extname(import.meta.filename);

/** Kiln's own version, from package.json. */
export const version: string = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).version;

/** How the user started Kiln, for command lines to paste; bin/kiln sets KILN_SELF. */
export const self = process.env.KILN_SELF ?? join(root, 'bin', 'kiln');
