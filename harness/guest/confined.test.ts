// SPDX-License-Identifier: MIT
// What a guest that has taken over its QEMU could reach: looked at in a QEMU that runs.
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, readlink, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { paths } from '../paths.ts';
import { exec } from '../util/exec.ts';
import * as arch from './arch/x86_64.ts';
import { startGuest } from './guest.ts';
import { guestArgv, type Machine } from './qemu.ts';

/** A guest of a few instructions, which then halts. */
async function machine(t: ExecutionContext): Promise<{ dir: string; machine: Machine }> {
  const dir = await mkdtemp(join(tmpdir(), 'kiln-test-'));
  t.teardown(() => rm(dir, { recursive: true, force: true }));
  const [kernel, initrd] = [join(dir, 'kernel'), join(dir, 'initrd')];
  await exec('gcc', [...arch.probe.flags, '-o', kernel, join(paths.images, 'probe', 'probe.S')]);
  await writeFile(initrd, 'nothing');
  return {
    dir,
    machine: { accelerator: 'tcg', cpu: 'max', memory: 64, cpus: 1, kernel, initrd, cmdline: '' },
  };
}

test.serial(
  'every thread of QEMU has the filter, no file of the host is open, there is no network',
  async (t) => {
    const { machine: small } = await machine(t);
    await using guest = await startGuest(small, new AbortController().signal);
    // QEMU answers when its machine is made: before, it still reads its firmware.
    const network = await guest.qmp.execute('human-monitor-command', { 'command-line': 'info network' });
    t.is(String(network).trim(), '');
    const threads = await readdir(`/proc/${guest.pid}/task`);
    for (const thread of threads) {
      const status = await readFile(`/proc/${guest.pid}/task/${thread}/status`, 'utf8');
      t.regex(status, /^Seccomp:\t2$/m);
      t.regex(status, /^NoNewPrivs:\t1$/m);
    }
    const open = await Promise.all(
      (await readdir(`/proc/${guest.pid}/fd`)).map((fd) =>
        readlink(`/proc/${guest.pid}/fd/${fd}`).catch(() => ''),
      ),
    );
    const files = open.filter(
      (path) => !/^(pipe|socket|anon_inode|\/memfd):|^\/dev\/u?random$|^$/.test(path),
    );
    t.deepEqual(files, []);
  },
);

test.serial('QEMU can start no program: the filter is what keeps it from it', async (t) => {
  const { dir, machine: small } = await machine(t);
  const words = guestArgv(small, dir);
  const filter = words.slice(words.indexOf('-sandbox'), words.indexOf('-sandbox') + 2);
  const made = join(dir, 'made');
  const attempt = async (options: string[]) => {
    const input = `migrate "exec:touch ${made}"\nquit\n`;
    const all = ['-nodefaults', '-display', 'none', '-S', '-monitor', 'stdio', ...options];
    await exec(arch.qemu, all, { input, timeout: 20_000 }).catch(() => {});
    return existsSync(made);
  };
  t.false(await attempt(filter));
  t.true(await attempt([]));
});
