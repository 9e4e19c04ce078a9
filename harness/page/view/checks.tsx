// SPDX-License-Identifier: MIT
import { patchNumber } from '../../report/changes.ts';
import type { CheckResult, Ci, CiPatch } from '../../schema.ts';
import { checkColumns } from '../model.ts';
import { Fold, Printed, Tag, Text, Wide } from './parts.tsx';

/** Patches × checks, and what the checks found. */
export function Checks({ ci }: { ci: Ci }) {
  const columns = checkColumns(ci);
  return (
    <section aria-labelledby="checks-title">
      <h3 id="checks-title">
        Patches of <Text of={ci.series.subject} />
        {ci.series.revision !== null && ci.series.revision > 1 && ` v${ci.series.revision}`}
      </h3>
      {ci.series.from && (
        <p class="why">
          <Text of={ci.series.from} />
        </p>
      )}
      <Wide label="Checks of each patch">
        <table class="checks">
          <thead>
            <tr>
              <th scope="col">Patch</th>
              {columns.map((name) => (
                <th key={name} scope="col">
                  {name}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {ci.patches.map((patch) => (
              <tr key={patch.number}>
                <th scope="row">
                  {patchNumber(ci, patch)} <Text of={patch.subject} />
                </th>
                {columns.map((name) => (
                  <Cell key={name} check={patch.checks.find((check) => check.name === name)} />
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </Wide>
      {ci.patches.map((patch) => (
        <Findings key={patch.number} ci={ci} patch={patch} />
      ))}
      {ci.new_log_lines.length > 0 && (
        <Fold summary={`Only in the kernel log of the patched kernel (${ci.new_log_lines.length})`}>
          {() => <Printed text={ci.new_log_lines.join('\n')} />}
        </Fold>
      )}
    </section>
  );
}

function Cell({ check }: { check: CheckResult | undefined }) {
  if (!check)
    return (
      <td>
        <span class="none">not made</span>
      </td>
    );
  return (
    <td title={check.summary}>
      <span class={`status ${check.status}`}>{check.status === 'pass' ? 'ok' : check.status}</span>
    </td>
  );
}

/** What the checks of a patch found, and which of its code was compiled. Nothing if all is well. */
function Findings({ ci, patch }: { ci: Ci; patch: CiPatch }) {
  const told = patch.checks.filter(
    ({ status, findings }) => status === 'fail' || status === 'warn' || findings.length > 0,
  );
  const missing = patch.files.flatMap(({ path, compiled, reason, functions }) => [
    ...(compiled === false ? [`${path} is not compiled: ${reason ?? 'nothing builds it'}`] : []),
    ...functions
      .filter((one) => !one.compiled)
      .map(({ name }) => `${name}() of ${path} is not in the kernel`),
  ]);
  if (told.length === 0 && missing.length === 0) return null;
  const isBad = told.some(({ status }) => status === 'fail');
  return (
    <Fold
      open={isBad}
      summary={
        <>
          {patchNumber(ci, patch)} <Text of={patch.subject} />:{' '}
          {told.map(({ name }) => name).join(', ') || 'not compiled'}
        </>
      }
    >
      {() => (
        <ul class="findings">
          {told.map(({ name, status, summary, findings }) => (
            <li key={name}>
              <Tag tone={status}>{name}</Tag> <Text of={summary} />
              {findings.length > 0 && <Printed text={findings.join('\n')} />}
            </li>
          ))}
          {missing.map((line) => (
            <li key={line}>
              <Text of={line} />
            </li>
          ))}
        </ul>
      )}
    </Fold>
  );
}
