// SPDX-License-Identifier: MIT
import { mkdir, mkdtemp, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { KilnError } from '../errors.ts';
import { exec } from '../util/exec.ts';
import { readConfigFile } from './configFile.ts';

test('what is no text file is refused at once, with what it is', async (t) => {
  const dir = await mkdtemp(join(tmpdir(), 'kiln-test-'));
  t.teardown(() => rm(dir, { recursive: true, force: true }));
  const at = (name: string) => join(dir, name);
  await mkdir(at('directory'));
  await exec('mkfifo', [at('fifo')]);
  await symlink(at('loop'), at('loop'));
  await writeFile(at('huge'), '');
  await truncate(at('huge'), 2 ** 30);
  await writeFile(at('binary'), 'CONFIG_A=y\n\0');
  await writeFile(at('config.gz'), Buffer.from([0x1f, 0x8b, 8, 0]));
  await writeFile(at('config.xz'), Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0]));
  const expected: [string, RegExp, RegExp][] = [
    [at('none'), /does not exist$/, /\.config/],
    [at('binary/a'), /does not exist$/, /\.config/],
    [at('directory'), /is a directory/, /\.config/],
    [at('fifo'), /is no plain file$/, /saved to a file/],
    ['/dev/zero', /is no plain file$/, /saved to a file/],
    [at('loop'), /leads to itself$/, /\.config/],
    [at('huge'), /has 1024 MiB/, /\.config/],
    [at('binary'), /is not a text file$/, /\.config/],
    [at('config.gz'), /is compressed$/, /zcat .*config\.gz > my\.config$/],
    [at('config.xz'), /is compressed$/, /xzcat /],
  ];
  for (const [path, message, hint] of expected) {
    const error = await t.throwsAsync<KilnError>(readConfigFile(path), { instanceOf: KilnError });
    t.is(error.code, 'bad-input', path);
    t.regex(error.message, message);
    t.regex(error.hint, hint, path);
  }
  await writeFile(at('good'), 'CONFIG_A=y\n');
  t.is(await readConfigFile(at('good')), 'CONFIG_A=y\n');
});
