// SPDX-License-Identifier: MIT
import { join } from 'node:path';
import type { Context } from '../context.ts';
import { KilnError } from '../errors.ts';
import * as arch from '../guest/arch/x86_64.ts';
import { lastToTouch, type Tree } from '../tree/tree.ts';
import { exists, readCachedJson, writeAtomic } from '../util/files.ts';
import { findDiagnostics, formatDiagnostic } from './diagnostics.ts';
import { kernelMake } from './make.ts';
import type { Workspace } from './workspace.ts';

/**
 * Steps of a first build, for the progress bar until the build directory has its own count. Measured: 6.12,
 * base.config.
 */
const firstEstimate = 1840;

/** Build vmlinux and the boot image. Returns make's output, or writes it to `failedLog` if make fails. */
export async function compile(
  workspace: Workspace,
  tree: Tree,
  failedLog: string,
  context: Context,
): Promise<string> {
  const lines: string[] = [];
  const estimateFile = join(workspace.build, 'kiln.steps');
  const isFirst = !(await exists(join(workspace.build, 'vmlinux')));
  const total = (await readCachedJson<number>(estimateFile)) ?? firstEstimate;
  let done = 0;
  const onLine = (line: string) => {
    lines.push(line);
    // kbuild's short form of a step: "  CC      fs/open.o"
    if (!/^ {2}[A-Z][A-Z0-9_]+ /.test(line)) return;
    done++;
    const text = `building ${line.trim().split(/\s+/).at(-1)}`;
    if (isFirst) context.progress(text, done, Math.max(total, done));
    else context.progress(text, done);
  };
  try {
    await kernelMake(workspace, ['vmlinux', arch.image], context, onLine);
  } catch (cause) {
    context.signal.throwIfAborted();
    await writeAtomic(failedLog, `${lines.join('\n')}\n`);
    if (isExplained(cause)) throw cause;
    throw buildError(lines, workspace.seen.source, tree, failedLog, cause);
  }
  if (isFirst) await writeAtomic(estimateFile, String(done));
  return `${lines.join('\n')}\n`;
}

/** Whether the sandbox stopped the build: the error then has its reason already. */
export function isExplained(error: unknown): boolean {
  return error instanceof KilnError && error.message.startsWith('the build was stopped');
}

/** What a compiler says when the machine is at fault, not the source; null: nothing of this kind. */
export function findHostTrouble(output: string): string | null {
  const said = /No space left on device|Killed|Cannot allocate memory|Input\/output error/.exec(output);
  return said?.[0] ?? null;
}

function buildError(lines: string[], source: string, tree: Tree, log: string, cause: unknown): KilnError {
  const errors = findDiagnostics(lines, source, lastToTouch(tree)).filter(
    ({ severity }) => severity === 'error',
  );
  if (errors.length === 0) return unclearError(lines, log, cause);
  const first = errors[0]!;
  return new KilnError(
    'does-not-build',
    `the kernel does not build:\n  ${errors.slice(0, 10).map(formatDiagnostic).join('\n  ')}`,
    {
      hint: `the whole output: ${log}`,
      details: { file: first.file, ...(first.patch === null ? {} : { patch: first.patch }), log },
      cause,
    },
  );
}

/** make failed without any diagnostic that is known: out of memory, a full disk, a broken tool. */
function unclearError(lines: string[], log: string, cause: unknown): KilnError {
  const text = lines.slice(-50).join('\n');
  const ours = findHostTrouble(text);
  if (ours !== null)
    return new KilnError('infrastructure', `the build was stopped by the machine: ${ours}`, {
      hint: 'free disk or memory and run again; what was built is kept',
      details: { log },
      cause,
    });
  return new KilnError('does-not-build', `the kernel does not build:\n  ${lines.slice(-5).join('\n  ')}`, {
    hint: `the whole output: ${log}`,
    details: { log, output: text },
    cause,
  });
}
