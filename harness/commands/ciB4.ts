// SPDX-License-Identifier: MIT
// `kiln ci --b4-check`: b4 runs a command for each patch of a series, and passes this one mail. The first call tests the
// series; the calls for its other mails read the results of that run.
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { cacheDirectory } from '../context.ts';
import { exits, KilnError } from '../errors.ts';
import { paths } from '../paths.ts';
import { type B4Tracking, b4Checks, readB4Tracking, renderB4Review } from '../report/b4Check.ts';
import { loadResults } from '../results/runDirectory.ts';
import type { Results } from '../schema.ts';
import { isLoreSource } from '../series/b4.ts';
import { type Mail, readMail } from '../series/mail.ts';
import { readSeries, type Series } from '../series/series.ts';
import { readCachedJson, readIfThere, writeAtomic } from '../util/files.ts';
import { git, startGit } from '../util/git.ts';
import { contentKey } from '../util/hash.ts';

/** Options of `kiln ci` that a call of b4 has values for. */
export type B4Options = { base?: string[]; repo?: string; out?: string; revision?: number; inbox?: string };
/** They replace what the command line has. */
export type Filled = B4Options & { out: string; revision: number };

/** `repository`: the work tree that b4 runs the command in; null: it is in none. */
type Call = { raw: Buffer; mail: Mail; tracking: B4Tracking | null; repository: string | null };

/** A run whose results answer calls, and the mails that were answered from it. */
type Answered = { dir: string; mails: string[] };

/**
 * Print the checks of the mail on standard input. A mail that is asked for once more starts a new run.
 * @param select the suites
 * @param test runs the series
 * @returns the exit code: b4 reads the array only
 */
export async function answerB4(
  options: B4Options,
  select: readonly string[],
  test: (source: string, filled: Filled) => Promise<{ results: Results; dir: string }>,
  signal: AbortSignal,
): Promise<number> {
  const call = await readCall(signal);
  const source = await sourceOf(call, signal);
  const filled = await fill(call, source, options, signal);
  const series = await readSeries(source, paths.patches, { ...options, ...filled, signal });
  requireMail(series, call.mail);
  const record = recordOf(series, JSON.stringify([options, filled, select, process.cwd()]));
  const name = call.mail.messageId ?? call.mail.subject.text;
  const earlier = await findRun(record, name);
  const { results, dir } = earlier ?? (await test(source, filled));
  if (earlier) process.stderr.write(`kiln: the results of run ${results.id}\n`);
  const text = renderB4Review(b4Checks(results, call.mail));
  const answered: Answered = { dir, mails: [...(earlier?.mails ?? []), name] };
  if (results.exit_code !== exits.interrupted) await writeAtomic(record, JSON.stringify(answered));
  process.stdout.write(text);
  return exits.ok;
}

async function readCall(signal: AbortSignal): Promise<Call> {
  const hint = 'b4 calls this command: set b4.review-perpatch-check-cmd in the configuration of git';
  if (process.stdin.isTTY)
    throw new KilnError('usage', '--b4-check reads a mail from standard input', { hint });
  const raw = await buffer(process.stdin);
  const mail = readMail({ envelope: '', content: raw });
  if (mail.subject.text === '')
    throw new KilnError('bad-input', 'there is no mail with a subject on standard input', { hint });
  const file = process.env.B4_TRACKING_FILE ?? '';
  const text = file === '' ? undefined : await readIfThere(file);
  if (file !== '' && text === undefined)
    throw new KilnError('bad-input', `B4_TRACKING_FILE: there is no file ${file}`, {
      hint: 'unset the variable to go by the mail alone',
    });
  const top = await git('.', ['rev-parse', '--show-toplevel'], { signal, okCodes: [0, 128] });
  return {
    ...{ raw, mail, tracking: text === undefined ? null : readB4Tracking(text) },
    repository: top.exitCode === 0 ? top.stdout : null,
  };
}

/** The thread that b4 has stored, else the mail if it is the whole series, else the thread from the archive. */
async function sourceOf({ raw, mail, tracking, repository }: Call, signal: AbortSignal): Promise<string> {
  const { messageId, subject } = mail;
  const blob = tracking?.threadBlob ?? null;
  const thread = repository === null || blob === null ? null : await readBlob(repository, blob, signal);
  if (thread) return storeBox(thread, tracking?.changeId ?? messageId);
  if (mail.hasDiff && (subject.total ?? 1) <= 1) return storeBox(raw, messageId);
  if (messageId === null)
    throw new KilnError('bad-input', `"${subject.title}" has no Message-ID, so its series is not known`);
  return `lore:${messageId}`;
}

/** The thread may hold another version, or the mail may be no patch. */
function requireMail({ cover, patches, source }: Series, { messageId, subject }: Mail): void {
  const mails = [...(cover ? [cover] : []), ...patches];
  if (
    mails.some((one) => (messageId !== null && one.messageId === messageId) || one.subject === subject.text)
  )
    return;
  throw new KilnError('bad-input', `"${subject.title}" is not in the series that its thread holds`, {
    hint: `\`kiln series ${source}\` shows what is`,
  });
}

async function readBlob(repository: string, name: string, signal: AbortSignal): Promise<Buffer | null> {
  const child = startGit(repository, ['cat-file', 'blob', name], signal);
  child.stdin?.end();
  const [content, { exitCode }] = await Promise.all([buffer(child.stdout!), child]);
  return exitCode === 0 && content.length > 0 ? content : null;
}

/** In the cache: the command lines in the report name it. */
async function storeBox(content: Buffer, name: string | null): Promise<string> {
  const file = `${(name ?? 'mail').replace(/[^\w@.+-]+/g, '_').slice(0, 100)}.mbox`;
  const path = join(cacheDirectory(), 'known', 'b4', `${contentKey('box 1', content)}.d`, file);
  await writeAtomic(path, content);
  return path;
}

/** What the command line leaves open. The tree that b4 has applied the series to is its base. */
async function fill(
  { mail, tracking, repository }: Call,
  source: string,
  options: B4Options,
  signal: AbortSignal,
): Promise<Filled> {
  const parent = tracking?.firstPatch ? `${tracking.firstPatch}^` : null;
  const base =
    options.base || repository === null
      ? null
      : await firstCommit(repository, [parent, tracking?.baseCommit ?? null], signal);
  return {
    revision: options.revision ?? tracking?.revision ?? mail.subject.revision ?? 1,
    out: options.out ?? join(cacheDirectory(), 'runs'),
    ...(repository !== null && { repo: options.repo ?? repository }),
    ...(base !== null && { base: [`git:${repository}#${base}`] }),
    ...(isLoreSource(source) && options.inbox !== undefined && { inbox: options.inbox }),
  };
}

async function firstCommit(
  repository: string,
  names: (string | null)[],
  signal: AbortSignal,
): Promise<string | null> {
  for (const name of names) {
    if (name === null) continue;
    const words = ['rev-parse', '--quiet', '--verify', `${name}^{commit}`];
    const { exitCode, stdout } = await git(repository, words, { signal, okCodes: [0, 1, 128] });
    if (exitCode === 0) return stdout;
  }
  return null;
}

function recordOf({ cover, patches }: Series, request: string): string {
  const mails = patches.flatMap(({ messageId, content }) => [messageId ?? '', content]);
  const key = contentKey('b4 1', request, cover?.messageId ?? '', ...mails);
  return join(cacheDirectory(), 'known', 'b4', `${key}.json`);
}

/** A run that has not answered for this mail; undefined if there is none, or its results are gone. */
async function findRun(
  record: string,
  name: string,
): Promise<{ results: Results; dir: string; mails: string[] } | undefined> {
  const known = await readCachedJson<Answered>(record);
  if (!Array.isArray(known?.mails) || typeof known.dir !== 'string' || known.mails.includes(name))
    return undefined;
  const loaded = await loadResults(known.dir, '').catch(() => undefined);
  return loaded?.results.ci && { ...loaded, mails: known.mails };
}
