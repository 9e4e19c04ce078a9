// SPDX-License-Identifier: MIT
// `bin/kiln-in-kiln COMMAND…`: run a command on an emulated machine that has KVM, and this machine's files.
import { resolve } from 'node:path';
import { Command } from 'commander';
import { exits, interrupted } from '../errors.ts';
import { complain } from '../util/complain.ts';
import { buildL1 } from './kernel.ts';
import { runIn } from './run.ts';

const examples = `
Examples:
  bin/kiln-in-kiln bin/kiln doctor                  says that KVM ran a guest
  bin/kiln-in-kiln --share out bin/kiln test boot --out out
  bin/kiln-in-kiln sh -c 'grep -c svm /proc/cpuinfo; dmesg'

The machine's kernel is built at the first use. Its files are those of this machine. What the command writes is gone
afterwards, except in the directories of --share. There is no network. The environment is this one; waits for guests are
KILN_PATIENCE times as long (default there: 10), because emulation is slow.

Exit code: the command's own; 69 if the machine does not start, 130 if interrupted.`;

type MainOptions = { share?: string[]; console?: string };

const stop = new AbortController();
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
  process.on(name, () => {
    if (stop.signal.aborted) process.exit(exits.interrupted);
    stop.abort(interrupted());
  });
process.stdout.on('error', () => stop.abort(interrupted()));
process.stderr.on('error', () => {});

async function main(argv: string[]): Promise<number> {
  let exitCode: number = exits.ok;
  await new Command('kiln-in-kiln')
    .description('Run a command on an emulated machine that has KVM, and the files of this machine.')
    .argument('<command...>')
    .option('--share <dir>', 'a directory that the command may write to; may be repeated', collect)
    .option('--console <file>', "write the machine's console to a file")
    .addHelpText('after', examples)
    .passThroughOptions()
    .exitOverride()
    .action(async (command: string[], options: MainOptions) => {
      exitCode = await run(command, options);
    })
    .parseAsync(argv);
  return exitCode;
}

function collect(value: string, before: string[] = []): string[] {
  return [...before, resolve(value)];
}

async function run(command: string[], { share = [], console }: MainOptions): Promise<number> {
  const kernel = await buildL1(stop.signal);
  return await runIn(kernel, { command, shares: share, console: console ?? null }, stop.signal);
}

try {
  process.exitCode = await main(process.argv);
} catch (error) {
  process.exitCode = complain('kiln-in-kiln', stop.signal.aborted ? stop.signal.reason : error);
}
