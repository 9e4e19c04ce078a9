// SPDX-License-Identifier: MIT
import { execFileSync } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { paths } from '../paths.ts';
import { probe, qemu } from './arch/x86_64.ts';
import { type Probed, probeUnlessKnown, runProbe } from './kvm.ts';

/** A program in place of QEMU. */
async function program(script: string): Promise<string> {
  const path = join(dir, `qemu-${Math.random().toString(36).slice(2)}`);
  await writeFile(path, `#!/bin/sh\n${script}\n`);
  await chmod(path, 0o755);
  return path;
}

let dir = '';
test.before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'kiln-kvm-'));
});
test.after.always(() => rm(dir, { recursive: true, force: true }));

async function probed(script: string, timeout = 60_000) {
  return runProbe('/dev/null', new AbortController().signal, timeout, await program(script));
}

test('a guest that ran proves KVM, however long QEMU took to start', async (t) => {
  t.deepEqual(await probed(`sleep 2.5; exit ${probe.proven}`), { works: true });
});

test('the small guest runs: here in emulation, with the words that KVM gets', async (t) => {
  const elf = join(dir, 'probe.elf');
  execFileSync('gcc', [...probe.flags, '-o', elf, join(paths.images, 'probe', 'probe.S')]);
  const emulated = await program(
    `for word; do shift; case $word in kvm) word=tcg;; host) word=max;; esac; set -- "$@" "$word"; done; exec ${qemu} "$@"`,
  );
  t.deepEqual(await runProbe(elf, new AbortController().signal, 60_000, emulated), { works: true });
});

test('what QEMU says of itself is the reason', async (t) => {
  const result = await probed(
    `echo '${qemu}: error: failed to set MSR 0x10a to 0x0' >&2; echo more >&2; exit 134`,
  );
  t.deepEqual(result, {
    works: false,
    late: false,
    text: '/dev/kvm opens, but a guest does not run on it: error: failed to set MSR 0x10a to 0x0',
  });
});

test('another hypervisor is told from a KVM that does not work', async (t) => {
  const said = 'ioctl(KVM_CREATE_VM) failed: 16 Device or resource busy';
  const result = await probed(`echo '${qemu}: ${said}' >&2; exit 1`);
  t.false(result.works);
  t.regex(result.works ? '' : result.text, /another hypervisor uses the processor/);
  t.false(!result.works && result.late);
});

test('a guest that spins is ended, and is late: that is not a refusal', async (t) => {
  const mark = join(dir, 'started');
  await mkdir(mark);
  const result = await probed(`echo $$ > ${mark}/pid; exec sleep 600`, 300);
  t.like(result, { works: false, late: true });
  const pid = Number(await readFile(join(mark, 'pid'), 'utf8'));
  t.throws(() => process.kill(pid, 0));
});

const works: Probed = { works: true };
const refused: Probed = { works: false, late: false, text: 'busy' };
const late: Probed = { works: false, late: true, text: 'late' };

/** Which of the answers, in turn, three calls get: the third one demands KVM. */
async function answers(t: ExecutionContext, all: [Probed, Probed, Probed]): Promise<Probed[]> {
  const memory = join(dir, `${t.title}.json`);
  const given: Probed[] = [];
  for (const [index, one] of all.entries())
    given.push(await probeUnlessKnown(memory, 'key', index === 2, async () => one));
  return given;
}

test('that KVM works is remembered', async (t) => {
  t.deepEqual(await answers(t, [works, refused, late]), [works, works, works]);
});

test('that KVM does not work is tried again by the next run', async (t) => {
  t.deepEqual(await answers(t, [refused, works, refused]), [refused, works, works]);
});

test('a guest that was late is not tried again, unless KVM is demanded', async (t) => {
  t.deepEqual(await answers(t, [late, works, works]), [late, late, works]);
});

test('after a reboot everything is tried again', async (t) => {
  const memory = join(dir, 'reboot.json');
  await probeUnlessKnown(memory, 'before', false, async () => works);
  t.deepEqual(await probeUnlessKnown(memory, 'after', false, async () => refused), refused);
});
