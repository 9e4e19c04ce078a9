// SPDX-License-Identifier: MIT
// Boot to the agent's first word, against a bare QEMU with a do-nothing init on the same kernel.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { nobody, Session } from '../channel/session.ts';
import * as arch from '../guest/arch/x86_64.ts';
import { startGuest } from '../guest/guest.ts';
import { type Machine, machineFor } from '../guest/qemu.ts';
import type { Built } from '../job/built.ts';
import { limits } from '../limits.ts';
import { paths } from '../paths.ts';
import { exec, spawn } from '../util/exec.ts';
import { type Figure, figure, ratio } from './statistics.ts';

/** Milliseconds of host time from starting QEMU. `ratio`: of the medians, agent to bare. */
export type BootBench = { bare_ms: Figure; agent_ms: Figure; ratio: number };

/** Both in turn, `n` times, so that the machine's mood is shared. */
export async function benchBoot(built: Built, n: number, signal: AbortSignal): Promise<BootBench> {
  const scratch = await mkdtemp(join(tmpdir(), 'kiln-bench-'));
  try {
    const agent = machineFor({}, built);
    const bare = { ...agent, initrd: await nothingImage(built, scratch, signal) };
    const samples = { bare: [] as number[], agent: [] as number[] };
    for (let round = 0; round < n; round++) {
      samples.bare.push(await timeBare(bare, signal));
      samples.agent.push(await timeAgent(agent, signal));
    }
    const [bareMs, agentMs] = [figure(samples.bare), figure(samples.agent)];
    return { bare_ms: bareMs, agent_ms: agentMs, ratio: ratio(agentMs.median, bareMs.median) };
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

async function nothingImage(built: Built, scratch: string, signal: AbortSignal): Promise<string> {
  const source = join(paths.images, 'bench', 'nothing.c');
  await exec('gcc', ['-O2', '-static', source, '-o', join(scratch, 'init')], { signal });
  await writeFile(
    join(scratch, 'list'),
    'dir /dev 0755 0 0\nnod /dev/console 0600 0 0 c 5 1\nfile /init init 0755 0 0\n',
  );
  const image = join(scratch, 'bare.cpio');
  const pack = join(built.kernel.dir, 'gen_init_cpio');
  await exec('sh', ['-c', 'exec "$0" -t 0 list > "$1"', pack, image], { cwd: scratch, signal });
  return image;
}

/** The same machine, without Kiln's sandbox, ports, panic device and monitor. */
async function timeBare(machine: Machine, signal: AbortSignal): Promise<number> {
  const { accelerator, cpu, cpus, memory, kernel, initrd, cmdline } = machine;
  const started = performance.now();
  const child = spawn(
    arch.qemu,
    [
      ...['-machine', arch.probe.machine, '-accel', accelerator, '-cpu', cpu],
      ...['-smp', String(cpus), '-m', `${memory}M`, '-nodefaults', '-display', 'none', '-no-reboot'],
      ...['-serial', 'stdio', '-kernel', kernel, '-initrd', initrd, '-append', cmdline],
    ],
    { endSignal: 'KILL', stdin: 'ignore', cancelSignal: signal },
  );
  let said = Number.NaN;
  for await (const line of child.iterable())
    if (String(line).includes('kiln-bench:')) said = performance.now();
  await child;
  if (Number.isNaN(said)) throw new Error('the bare guest did not reach its init');
  return said - started;
}

async function timeAgent(machine: Machine, signal: AbortSignal): Promise<number> {
  const started = performance.now();
  await using guest = await startGuest(machine, signal);
  const hello = await new Session(guest, nobody).hello(limits.boot);
  if (hello.loss) throw new Error(`the guest did not boot: ${hello.loss.why}`);
  return performance.now() - started;
}
