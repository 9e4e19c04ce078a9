// SPDX-License-Identifier: MIT
import { join, relative } from 'node:path';
import type { Context } from '../context.ts';
import { namePatch, type Patch } from '../series/patch.ts';
import { readIfThere } from '../util/files.ts';
import type { Base } from './base.ts';
import { alreadyThere, causeOf, explain, findApplied } from './cause.ts';
import { type Conflict, findFault, type Named, readRejection } from './conflict.ts';
import { checkOut, hashes, type Repository } from './repository.ts';

export type Mails = {
  patches: Named[];
  /** A mail for each patch: absolute paths. A CR at the end of a line belongs to the file that is patched. */
  files: string[];
  /** The same in another encoding, for the patches that have one. */
  recoded?: ReadonlyMap<Patch, string>;
};

/**
 * Apply mails on HEAD, each as a commit. A patch that does not apply is merged if that gives no conflict.
 * @returns a sentence for each patch that was merged
 */
export async function applyMails(
  repository: Repository,
  base: Base,
  { patches, files, recoded }: Mails,
  context: Context,
): Promise<string[]> {
  const warnings: string[] = [];
  // Names are short, because very many patches must fit on one command line.
  const names = files.map((file) => relative(repository.directory, file));
  await checkOut(repository);
  for (let done = 0; done < names.length; done++) {
    const failure = await am(repository, names.slice(done), (count) =>
      context.progress('applying patches', done + count, names.length),
    );
    if (failure === undefined) break;
    done += failure.index;
    const conflict = { ...patches[done]!, ...failure };
    const other = recoded?.get(conflict.patch);
    warnings.push(await mergeOrThrow(repository, base, conflict, { mail: names[done]!, other }, context));
  }
  return warnings;
}

/** Where git am stopped. `index` is of its mails. */
type Failure = { index: number; output: string; diff: string };

/** HEAD is the last patch that applied; a failure leaves git am as it stopped. */
async function am(
  repository: Repository,
  args: string[],
  onApply: (count: number) => void,
): Promise<Failure | undefined> {
  let count = 0;
  const { exitCode, stdout, stderr } = await repository.git(
    ['am', '--keep-cr', '--committer-date-is-author-date', ...args],
    {
      okCodes: [0, 1, 128],
      onLine: (line) => {
        if (line.startsWith('Applying: ')) onApply(++count);
      },
    },
  );
  if (exitCode === 0) return undefined;
  const state = stateOf(repository);
  return {
    index: Number((await readIfThere(join(state, 'next'))) ?? 1) - 1,
    output: `${stdout.replace(/^Applying: .*$/gm, '')}\n${stderr}`,
    diff: (await readIfThere(join(state, 'patch'))) ?? '',
  };
}

function stateOf(repository: Repository): string {
  return join(repository.gitDir, 'rebase-apply');
}

/** @param mails of the patch. @returns a sentence that says how it was applied */
async function mergeOrThrow(
  repository: Repository,
  base: Base,
  conflict: Conflict,
  { mail, other }: { mail: string; other: string | undefined },
  context: Context,
): Promise<string> {
  const diff = join(stateOf(repository), 'patch');
  const fault = findFault(conflict) ?? (await findApplied(repository, base, conflict, diff));
  if (fault) throw fault;
  const { series, patch } = conflict;
  if (other !== undefined) {
    await repository.git(['am', '--quit']);
    if ((await am(repository, [other], () => {})) === undefined)
      return `${series.name}: ${namePatch(patch)} applies to this base only ${patch.recoded!.how}`;
  }
  if (causeOf(readRejection(conflict.output, conflict.diff)) === 'refused')
    throw await explain(repository, base, conflict, '', context);
  await repository.git(['am', '--quit'], { okCodes: [0, 128] });
  const [before] = await hashes(repository, 'HEAD');
  const failure = await am(repository, ['--3way', mail], () => {});
  if (failure) throw await explain(repository, base, conflict, failure.output, context);
  const [after] = await hashes(repository, 'HEAD');
  if (after === before) throw alreadyThere(conflict, before === base.commit);
  return `${series.name}: ${namePatch(patch)} applies to this base only by a three-way merge (git am --3way)`;
}
