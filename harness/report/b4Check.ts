// SPDX-License-Identifier: MIT
// What `b4 review` (0.15 and later) reads from a command that checks a patch: a JSON array.
import { z } from 'zod';
import { exits, KilnError } from '../errors.ts';
import type { Ci, CiPatch, Results } from '../schema.ts';
import type { Mail } from '../series/mail.ts';
import { printable } from '../util/printable.ts';
import { changeName, ciOf, countChanges, earlyEndLines, patchNumber } from './changes.ts';
import { toJson } from './json.ts';
import { cut, firstOf, oneLine } from './plain.ts';

/** An element of the array. `tool` is the title of a column, `details` may have several lines. */
export type B4Check = { tool: string; status: 'pass' | 'warn' | 'fail'; summary: string; details?: string };

/** Lines of details, and characters of a line, at most. */
const [mostLines, longestLine] = [60, 200];

/** The mail that b4 passes on standard input. */
export type CheckedMail = Pick<Mail, 'messageId' | 'subject'>;

/**
 * The checks of the patch that a mail holds, or of the series if the mail is its cover letter. `b4 prep` passes mails
 * without an id that was sent: then the subject decides. Throws KilnError if the run did not test the mail.
 */
export function b4Checks(results: Results, mail: CheckedMail): B4Check[] {
  const ci = ciOf(results);
  const patch = patchOf(ci, mail);
  if (patch) return [...patchChecks(ci, patch), ...unfinished(results, ci)];
  if (isCover(ci, mail)) return [seriesCheck(ci), ...unfinished(results, ci)];
  const name = oneLine(mail.subject.title) || mail.messageId;
  throw new KilnError('bad-input', `the run ${results.id} did not test "${name}"`, {
    hint: 'run "kiln ci" on the series that has it',
  });
}

function isCover({ series }: Ci, { messageId, subject }: CheckedMail): boolean {
  if (messageId !== null && messageId === series.message_id) return true;
  return subject.number === 0 && subject.title === series.subject;
}

function patchOf(ci: Ci, { messageId, subject }: CheckedMail): CiPatch | undefined {
  const sent = messageId === null ? undefined : ci.patches.find(({ message_id }) => message_id === messageId);
  if (sent) return sent;
  // A cover letter may have the subject of a patch, and a patch that of another.
  if (subject.number === 0) return undefined;
  const named = ci.patches.filter((one) => one.subject === subject.title);
  return named.find(({ number }) => number === subject.number) ?? (named.length === 1 ? named[0] : undefined);
}

/** Checks that could not be made say so, and are no failure of the patch. */
function patchChecks(ci: Ci, patch: CiPatch): B4Check[] {
  const changes = ci.changes.filter((one) => one.kind === 'new-failure' && one.patch === patch.number);
  return patch.checks.map(({ name, status, summary, findings }) => {
    const found =
      name === 'tests'
        ? [...findings, ...changes.map((one) => `${changeName(one)}: ${one.sentence}`)]
        : findings;
    return {
      tool: `kiln-${name}`,
      status: status === 'skip' ? 'pass' : status,
      summary: oneLine(status === 'skip' ? `not checked: ${summary}` : summary),
      ...(found.length === 0 ? {} : { details: details(found) }),
    };
  });
}

/** A base that fails, an infrastructure error or an interruption leaves patches that nothing is known of. */
function unfinished(results: Results, ci: Ci): B4Check[] {
  const { exit_code } = results;
  if (exit_code !== exits.infrastructure && exit_code !== exits.interrupted) return [];
  const summary = exit_code === exits.interrupted ? 'interrupted' : 'not all could be tested';
  const found = [...ci.not_tested, ...earlyEndLines(results)];
  return [
    { tool: 'kiln-run', status: 'warn', summary, ...(found.length > 0 && { details: details(found) }) },
  ];
}

function seriesCheck(ci: Ci): B4Check {
  const warns = ci.patches.flatMap((patch) =>
    patch.checks
      .filter(({ status }) => status === 'warn' || status === 'fail')
      .map(({ name, summary }) => `${patchNumber(ci, patch)} ${name}: ${summary}`),
  );
  const changes = ci.changes.map((one) => `${changeName(one)}: ${one.sentence}`);
  const found = [...ci.failures, ...changes, ...warns, ...ci.not_tested.map((one) => `not tested: ${one}`)];
  return {
    tool: 'kiln',
    status: ci.failures.length > 0 ? 'fail' : warns.length > 0 ? 'warn' : 'pass',
    summary: oneLine(countChanges(ci) || ci.failures[0] || 'no change'),
    ...(found.length === 0 ? {} : { details: details(found) }),
  };
}

/** b4 shows details that are a JSON array as a list with fields of its own, so no finding may begin them. */
function details(found: readonly string[]): string {
  const lines = found.flatMap((one) => printable(one).split('\n'));
  return firstOf(
    lines,
    mostLines,
    (one) => [`| ${cut(one, longestLine)}`],
    (count) => `(${count} more lines)`,
  ).join('\n');
}

export function renderB4Review(checks: readonly B4Check[]): string {
  return toJson(checks);
}

/** b4 has '' or null where it knows none. */
const commitSchema = z
  .string()
  .regex(/^([0-9a-f]{7,64})?$/)
  .nullish();
const trackingSchema = z.looseObject({
  series: z.looseObject({
    'change-id': z.string().nullish(),
    revision: z.int().nullish(),
    'first-patch-commit': commitSchema,
    'base-commit': commitSchema,
    'thread-blob': commitSchema,
  }),
});

/** The series that b4 is reviewing. Names of objects are hex, of the repository that b4 runs in. */
export type B4Tracking = {
  changeId: string | null;
  revision: number | null;
  /** Of the branch on which b4 applied the series. */
  firstPatch: string | null;
  baseCommit: string | null;
  /** An mbox with the mails of the thread. */
  threadBlob: string | null;
};

/** Reads the file that the environment's B4_TRACKING_FILE names. Throws KilnError. @param text its content */
export function readB4Tracking(text: string): B4Tracking {
  const read = trackingSchema.safeParse(parseJson(text));
  if (!read.success)
    throw new KilnError(
      'bad-input',
      `the file in B4_TRACKING_FILE is not what b4 writes:\n${z.prettifyError(read.error)}`,
      {
        hint: 'b4 0.15 and 0.16 are known to work; unset B4_TRACKING_FILE to go by the mail alone',
      },
    );
  const { series } = read.data;
  return {
    changeId: series['change-id'] || null,
    revision: series.revision ?? null,
    firstPatch: series['first-patch-commit'] || null,
    baseCommit: series['base-commit'] || null,
    threadBlob: series['thread-blob'] || null,
  };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
