// SPDX-License-Identifier: MIT
// Pure: what compilers say elsewhere of a patch and of its parent → what is new.
import { type Diagnostic, formatDiagnostic } from '../../kernel/diagnostics.ts';
import { objectOf } from '../../kernel/touchedConfig.ts';
import type { CheckResult } from '../../schema.ts';
import { plural } from '../../util/plural.ts';
import type { State } from '../elsewhere/state.ts';
import { shown } from './findings.ts';
import { newDiagnostics } from './warnings.ts';

export type Compared = {
  /** The C files of the patch, relative to the tree; for a header, one that includes it. */
  sources: readonly string[];
  /** By variant. null: the tree was not compiled. */
  states: readonly { name: string; before: State | null; after: State | null }[];
  /** Variants that this machine can't make: `no sparse`. */
  missing: readonly string[];
  /** Diagnostics of the kernel that is tested: they are reported with it. */
  ordinary: readonly Diagnostic[];
};

const name = 'elsewhere';

/** One line for each variant, and what is new, each diagnostic once with the names of its variants. */
export function compareElsewhere({ sources, states, missing, ordinary }: Compared): CheckResult {
  if (sources.length === 0)
    return { name, status: 'pass', summary: 'the patch touches no code', findings: [] };
  const all = states.map((one) => ({ name: one.name, ...compareVariant(one, sources, ordinary) }));
  const fresh = all.flatMap((one, index) =>
    one.fresh.map((diagnostic) => ({
      diagnostic,
      text: formatDiagnostic(diagnostic),
      variant: one.name,
      object: objectWith(diagnostic, states[index]!.after),
    })),
  );
  const merged = Map.groupBy(fresh, ({ text, object }) => JSON.stringify([text, object]));
  const findings = [...merged.values()].map((same) => {
    const { text, object } = same[0]!;
    const places = same.map(({ variant }) => variant);
    return `${text} (${[...places, ...(object === null ? [] : [`in ${object}`])].join(', ')})`;
  });
  const has = (severity: Diagnostic['severity']) =>
    fresh.some(({ diagnostic }) => diagnostic.severity === severity);
  const isMade = all.some(({ made }) => made);
  const status = has('error') ? 'fail' : has('warning') ? 'warn' : isMade ? 'pass' : 'skip';
  const texts = all.map((one) => `${one.name} ${one.text}`).join(', ');
  return { name, status, summary: [texts, ...missing].filter(Boolean).join('; '), findings: shown(findings) };
}

/** The object whose compiler said it, if its file does not name it already: a header's line is in many. */
function objectWith(diagnostic: Diagnostic, after: State | null): string | null {
  const found = Object.entries(after?.objects ?? {}).find(([, { diagnostics }]) =>
    diagnostics.includes(diagnostic),
  )?.[0];
  return found === undefined || found === objectOf(diagnostic.file) ? null : found;
}

/** `fresh`: new diagnostics; `made`: something could be compared. */
type Outcome = { text: string; fresh: Diagnostic[]; made: boolean };

function compareVariant(
  { name: variant, before, after }: Compared['states'][number],
  sources: readonly string[],
  ordinary: readonly Diagnostic[],
): Outcome {
  const nothing = { fresh: [], made: false };
  if (before === null || after === null)
    return { ...nothing, text: `not compared: there is no build of ${after ? 'its parent' : 'the patch'}` };
  if (before.trouble !== null) return { ...nothing, text: `not possible: ${before.trouble}` };
  const failing = Object.keys(before.objects).filter((object) => before.objects[object]!.failed);
  // Whether an option builds a new file of another architecture is not known.
  const isGuess = (object: string) => object.startsWith(`arch/${variant}/`) && !before.objects[object];
  const compared = Object.keys(after.objects).filter((one) => !failing.includes(one) && !isGuess(one));
  const fresh = newIn(before, after, compared, ordinary);
  const own = sources.map(objectOf).filter((object) => after.objects[object] !== undefined);
  const lost = own.filter((object) => failing.includes(object));
  const counts = (['error', 'warning'] as const).map((severity) => count(fresh, severity));
  const isOk = fresh.length === 0 && own.length > lost.length;
  const words = [
    ...counts,
    ...(isOk ? ['ok'] : []),
    ...lost.map((object) => `${object} already failed before`),
  ].filter((word) => word !== '');
  return { text: words.join(', ') || 'not built there', fresh, made: compared.length > 0 };
}

function count(fresh: readonly Diagnostic[], severity: Diagnostic['severity']): string {
  const number = fresh.filter((one) => one.severity === severity).length;
  return number === 0 ? '' : plural(number, `new ${severity}`);
}

/** What is new in some objects and in what is built for all, without what the run's own kernel says, too. */
function newIn(
  before: State,
  after: State,
  objects: readonly string[],
  ordinary: readonly Diagnostic[],
): Diagnostic[] {
  const known = new Set(ordinary.map(keyOf));
  const said = ({ others, objects: all }: State, severity: Diagnostic['severity']) =>
    [...others, ...objects.flatMap((object) => all[object]?.diagnostics ?? [])].filter(
      (one) => one.severity === severity,
    );
  const [errors, warnings] = (['error', 'warning'] as const).map((severity) =>
    newDiagnostics(said(before, severity), said(after, severity)).filter((one) => !known.has(keyOf(one))),
  );
  const broken = objects.filter((object) => after.objects[object]!.failed);
  if (errors!.length > 0 || (broken.length === 0 && after.trouble === null))
    return [...errors!, ...warnings!];
  // The compiler was killed, or a program of the build failed.
  const texts = after.trouble === null ? broken.map((object) => `${object} can't be made`) : [after.trouble];
  const unplaced = texts.map((text) => ({
    severity: 'error' as const,
    file: '',
    line: 0,
    text,
    patch: null,
  }));
  return [...unplaced, ...warnings!];
}

function keyOf({ file, line, text }: Diagnostic): string {
  return JSON.stringify([file, line, text]);
}
