// SPDX-License-Identifier: MIT
// One test in one fresh guest: boot, run, fetch, power off, judge.
import { mkdir, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { Session } from './channel/session.ts';
import { startGuest } from './guest/guest.ts';
import type { Machine } from './guest/machine.ts';
import { Collector, logFiles } from './results/evidence.ts';
import { type Evidence, isBad, judge } from './results/judge.ts';
import type { TestResult } from './results/schema.ts';
import type { Context } from './util/context.ts';
import { quote } from './util/quote.ts';

export type TrialRequest = {
  job: string;
  suite: string;
  test: string;
  machine: Machine;
  /** Seconds of guest time. */
  limit: number;
  /** The run's directory, and this guest's directory in it. Both absolute. */
  runDir: string;
  guestDir: string;
  reproduce: string;
};

/** Milliseconds of host time. Generous: a loaded machine without KVM is slow, and a guest that lives says so. */
const deadlines = { boot: 120_000, setup: 20_000, grace: 30_000, fetch: 30_000, powerOff: 30_000 };
/** Bytes of files that a test may leave. */
const artifactLimit = 64 * 1024 * 1024;

/** Run one test program. Its trouble, the kernel's and QEMU's are in the result; only ours is thrown. */
export async function runTrial(request: TrialRequest, context: Context): Promise<TestResult> {
  const { guestDir, machine, runDir } = request;
  await mkdir(guestDir, { recursive: true });
  const collector = new Collector(guestDir);
  const started = performance.now();
  try {
    await using guest = await startGuest(machine, context.signal);
    await writeFile(join(guestDir, 'qemu.sh'), `#!/bin/sh\nexec ${guest.argv.map(quote).join(' ')}\n`, {
      mode: 0o755,
    });
    const session = new Session(guest, collector);
    const seen = await converse(session, request);
    context.signal.throwIfAborted();
    guest.kill();
    await guest.exited;
    const lost = seen.bootLoss !== null || (seen.run?.loss ?? null) !== null;
    const splats = collector.splats(seen.run, lost);
    const judgement = judge({ ...seen, ktap: collector.ktap(), splats, limit: request.limit });
    return {
      suite: request.suite,
      test: request.test,
      job: request.job,
      ...judgement,
      splats,
      duration_ms: seen.run?.end?.duration_ms ?? Math.round(performance.now() - started),
      boot_ms: seen.bootMs,
      guest: describeGuest(request, guest.argv),
      artifacts: seen.artifacts.map((file) => relative(runDir, join(guestDir, 'artifacts', file))),
      reproduce: isBad(judgement.verdict) ? request.reproduce : null,
    };
  } finally {
    await collector.close();
  }
}

type Seen = Omit<Evidence, 'ktap' | 'splats' | 'limit'> & { bootMs: number | null; artifacts: string[] };

async function converse(session: Session, request: TrialRequest): Promise<Seen> {
  const seen: Seen = { bootLoss: null, run: null, bootMs: null, artifacts: [], problems: [], staysOn: false };
  const hello = await session.hello(deadlines.boot);
  if (hello.loss) return { ...seen, bootLoss: hello.loss };
  seen.bootMs = hello.message.boot_ms;
  const setup = await session.setup(deadlines.setup);
  if (setup.loss) return { ...seen, bootLoss: setup.loss };
  const { suite, test, limit, guestDir } = request;
  const program = {
    path: `/tests/${suite}/${test}`,
    args: [],
    cwd: `/tests/${suite}`,
    limitMs: limit * 1000,
  };
  seen.run = await session.run(program, deadlines.grace);
  if (seen.run.loss) return seen;
  if ((seen.run.end?.leftovers ?? 0) > 0)
    seen.problems.push(`${seen.run.end?.leftovers} processes outlived the test and were killed`);
  if ((seen.run.end?.artifacts ?? 0) > 0) {
    const into = join(guestDir, 'artifacts');
    const fetched = await session.fetch('/run/artifacts', into, artifactLimit, deadlines.fetch);
    seen.artifacts = fetched.files;
    if (fetched.problem) seen.problems.push(fetched.problem);
  }
  seen.staysOn = !(await session.powerOff(deadlines.powerOff));
  return seen;
}

function describeGuest({ machine, runDir, guestDir }: TrialRequest, qemu: string[]): TestResult['guest'] {
  const path = (file: string) => relative(runDir, join(guestDir, file));
  return {
    qemu,
    console: path(logFiles.console),
    kmsg: path(logFiles.kmsg),
    output: path(logFiles.output),
    memory: machine.memory,
    cpus: machine.cpus,
    cmdline: machine.cmdline,
  };
}
