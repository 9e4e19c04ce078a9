// SPDX-License-Identifier: MIT
import { join } from 'node:path';
import test from 'ava';
import { exec } from '../util/exec.ts';

test('a QEMU that refuses to be frozen leaves nothing that keeps this process alive', async (t) => {
  const code = `
    import { freeze } from ${JSON.stringify(join(import.meta.dirname, 'snapshot.ts'))};
    const qmp = {
      execute: async (command) => {
        if (command === 'migrate') throw new Error('gone');
      },
      event: () => Promise.reject(new Error('gone')),
    };
    await freeze({ qmp, exited: Promise.resolve() }, '/nowhere/state', async () => {}).then(
      () => console.log('frozen'),
      (error) => console.log(error.message),
    );`;
  const { stdout } = await exec(process.execPath, ['--input-type=module', '-e', code], { timeout: 50_000 });
  t.is(stdout, 'gone');
});
