// SPDX-License-Identifier: MIT
import { readFile } from 'node:fs/promises';
import { setTimeout } from 'node:timers/promises';
import test from 'ava';
import { spawn } from '../util/exec.ts';
import { cgroup } from './cgroup.ts';

const limits = { processes: 50, memory: 2 ** 30 };

/** A process in the group whose parent is not ours any more. */
async function orphanIn(group: ReturnType<typeof cgroup>): Promise<number> {
  const [file, ...args] = group.enter(['sh', '-c', 'setsid sleep 600 >/dev/null 2>&1 & echo $!']);
  const { stdout } = await spawn(file!, args, { stdin: 'ignore' });
  return Number(stdout);
}

/** Waits until a process has ended; that nobody has reaped it yet is not its fault. */
async function ended(pid: number): Promise<void> {
  const state = () =>
    readFile(`/proc/${pid}/stat`, 'utf8').then(
      (text) => /\) (\w)/.exec(text)?.[1],
      () => 'X',
    );
  while (!['X', 'Z'].includes((await state()) ?? 'X')) await setTimeout(20);
}

test('a group takes along what is left in it, also what has left its parent', async (t) => {
  if (process.getuid?.() !== 0) {
    t.log('not tried: only root can create a cgroup');
    t.pass();
    return;
  }
  const disposed = cgroup(limits);
  const first = await orphanIn(disposed);
  disposed[Symbol.dispose]();
  await ended(first);
  using killed = cgroup(limits);
  const second = await orphanIn(killed);
  killed.kill();
  await ended(second);
  t.pass();
});
