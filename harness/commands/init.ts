// SPDX-License-Identifier: MIT
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { KilnError } from '../errors.ts';
import { self } from '../paths.ts';
import { quote } from '../util/quote.ts';
import type { Cli } from './command.ts';

export function registerInit({ program, look }: Cli): void {
  program
    .command('init')
    .description('lay out a project: series, suites and config fragments of your own')
    .argument('<dir>', 'an empty or new directory')
    .addHelpText('after', examples)
    .action(look((dir: string) => initCommand(dir)));
}

const examples = `
Examples:
  kiln init my-series && cd my-series && kiln test    a first test passes
  kiln test --project my-series                       from elsewhere`;

/** `kiln init`: a project with a test that passes and a CI job. */
async function initCommand(dir: string): Promise<number> {
  const root = resolve(dir);
  const there = await readdir(root).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw new KilnError('bad-input', `${root} can't be read: ${error.message}`, {
      hint: 'kiln init takes an empty or new directory',
      cause: error,
    });
  });
  if (there.some((name) => name !== '.git'))
    throw new KilnError('bad-input', `${root} is not empty: ${there.slice(0, 3).join(', ')}`, {
      hint: 'kiln init takes an empty or new directory',
    });
  for (const [name, text] of Object.entries(files)) {
    const path = join(root, name);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, text);
  }
  process.stdout.write(`${Object.keys(files).join('\n')}\n`);
  process.stderr.write(`kiln: now type: cd ${quote(dir)} && ${quote(resolve(self))} test\n`);
  return 0;
}

const files = {
  'patches/README': `A directory for each series, with its *.patch files: git format-patch -o patches/NAME BASE..BRANCH
Kiln applies all of them, in the order of their names, unless --series or --no-series says otherwise.
`,
  'guest-tests/first/first.c': `// SPDX-License-Identifier: GPL-2.0
#include <unistd.h>

#include "../kselftest_harness.h"

TEST(runs_in_a_guest)
{
	ASSERT_EQ(0, getuid());
	ASSERT_EQ(0, access("/proc/version", R_OK));
}

TEST_HARNESS_MAIN
`,
  'guest-tests/first/config': `# What the suite needs of the kernel, one symbol a line.
CONFIG_PROC_FS=y
`,
  'kernel-config/README': `Config fragments: NAME.config is merged with --config NAME.
`,
  '.gitignore': `/runs/
`,
  '.github/workflows/kiln.yml': `name: kiln
on: [push, pull_request]
jobs:
  test:
    runs-on: ubuntu-latest
    timeout-minutes: 120
    steps:
      - uses: actions/checkout@v4
      - uses: actions/cache@v4
        with:
          path: ~/.cache/kiln
          key: kiln-\${{ github.run_id }}
          restore-keys: kiln-
      # The variable KILN of the repository names what npm installs: a tarball that npm pack made, or its URL.
      - run: npm install --global "\${{ vars.KILN }}"
      - run: kiln setup
      - run: kiln test
      - uses: actions/upload-artifact@v4
        if: always()
        with:
          name: kiln
          path: runs/latest/
`,
};
