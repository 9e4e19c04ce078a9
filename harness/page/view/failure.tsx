// SPDX-License-Identifier: MIT
import { useState } from 'preact/hooks';
import { changeName, kindWords, pastOf, sincePatch } from '../../report/changes.ts';
import { seconds } from '../../report/text.ts';
import { isBad } from '../../results/judge.ts';
import type { Change, GenerationResult, TestResult } from '../../schema.ts';
import { quote } from '../../util/quote.ts';
import { readFileId } from '../address.ts';
import type { Row } from '../model.ts';
import { Assertion } from './assertion.tsx';
import { LogFile } from './log.tsx';
import type { Page } from './page.tsx';
import { Command, FileLink, Fold, Some, Tag, Text, VerdictWord, Wide } from './parts.tsx';
import { Splat } from './splat.tsx';

/** A failed test in full: on the job that shows it best, and on others at the reader's choice. */
export function Failure({ page, row }: { page: Page; row: Row }) {
  const asked = readFileId(page.address.at)?.path;
  const ran = row.cells.filter((cell) => cell !== undefined);
  const ofAsked = ran.find(
    ({ guest }) => asked !== undefined && guest && asked.startsWith(guest.console.replace(/[^/]*$/, '')),
  );
  const [job, setJob] = useState((ofAsked ?? row.evidence!).job);
  const commands = row.changes
    .flatMap(({ reproduce: { patched, base } }) => [patched, base])
    .filter((one) => one !== null);
  const result = ran.find((cell) => cell.job === job) ?? row.evidence!;
  return (
    <>
      {row.changes.map((change) => (
        <ChangeLine key={`${change.case}${change.splat}${change.kernel ?? ''}`} page={page} change={change} />
      ))}
      {ran.length > 1 && (
        <fieldset class="jobs">
          <legend>On</legend>
          {ran.map((cell) => (
            <button
              type="button"
              key={cell.job}
              aria-pressed={cell === result}
              onClick={() => setJob(cell.job)}
            >
              <Text of={cell.job} /> <VerdictWord verdict={cell.verdict} hung={cell.tempo === 'hung'} />
            </button>
          ))}
        </fieldset>
      )}
      <Result key={result.job} page={page} result={result} hasChanges={commands.length > 0} />
    </>
  );
}

/** What `kiln ci` says of it. */
function ChangeLine({ page, change }: { page: Page; change: Change }) {
  const ci = page.data.results.ci!;
  const notes = [sincePatch(ci, change), pastOf(change)].filter((one) => one !== '');
  return (
    <div class="change">
      <p>
        <Tag tone={change.kind}>{kindWords(change.kind)}</Tag> <Text of={changeName(change)} />
        {change.kernel && ` (on ${change.kernel})`}: <Text of={change.sentence} />
        {notes.length > 0 && (
          <>
            ; <Text of={notes.join('; ')} />
          </>
        )}
      </p>
      {change.reproduce.patched && <Command label="Again" text={change.reproduce.patched} />}
      {change.reproduce.base && <Command label="Without the series" text={change.reproduce.base} />}
    </div>
  );
}

/** One result in full. */
function Result({ page, result, hasChanges }: { page: Page; result: TestResult; hasChanges: boolean }) {
  const { detail, cases, splats, problems, guest, generations, artifacts, reproduce, time } = result;
  const bad = cases.filter(({ verdict }) => verdict === 'fail' || verdict === 'timeout');
  const kernelLogs = (generations ?? []).map(({ kmsg }) => kmsg);
  const logs = guest ? [guest.kmsg, ...kernelLogs, guest.console] : kernelLogs;
  // What failed the test comes first: not what was expected, or only noted.
  const weight = (splat: TestResult['splats'][number]) => (splat.expected ? 2 : splat.notice ? 1 : 0);
  return (
    <div class="result">
      {detail !== '' && (
        <p class="detail">
          <Text of={detail} />
        </p>
      )}
      {reproduce && !hasChanges && <Command label="Reproduce" text={reproduce} />}
      <Some items={bad} most={20} noun="failed cases">
        {(some) => some.map((item) => <Assertion key={item.name} item={item} />)}
      </Some>
      {problems.length > 0 && (
        <>
          <h4>Problems</h4>
          <ul class="findings">
            {problems.map((problem) => (
              <li key={problem}>
                <Text of={problem} />
              </li>
            ))}
          </ul>
        </>
      )}
      <Some items={splats.toSorted((a, b) => weight(a) - weight(b))} most={5} noun="splats">
        {(some) =>
          some.map((splat, index) => (
            <Splat
              key={index}
              page={page}
              splat={splat}
              logs={logs}
              isOpen={index === 0 && !splat.expected}
            />
          ))
        }
      </Some>
      {generations && <Generations page={page} generations={generations} />}
      {guest && (
        <>
          <h4>Logs</h4>
          {guest.hang && <LogFile page={page} path={guest.hang} name="State of the hung guest" isOpen />}
          <LogFile page={page} path={guest.kmsg} name="Kernel log" />
          <LogFile
            page={page}
            path={guest.output}
            name="Output of the test"
            isOpen={bad.length === 0 && splats.every(({ expected, notice }) => expected || notice)}
          />
          <LogFile page={page} path={guest.console} name="Console" />
          {(generations ?? []).slice(1).map((one) => (
            <LogFile
              key={one.generation}
              page={page}
              path={one.kmsg}
              name={`Kernel log of generation ${one.generation}`}
            />
          ))}
        </>
      )}
      {artifacts.length > 0 && (
        <>
          <h4>Artifacts</h4>
          <ul>
            {artifacts.map((path) => (
              <li key={path}>
                <FileLink path={path} name={path.replace(/^.*\/artifacts\//s, '')} />
              </li>
            ))}
          </ul>
        </>
      )}
      {guest && (
        <Fold summary="QEMU command and times">
          {() => (
            <>
              <Command label="QEMU" text={guest.qemu.map(quote).join(' ')} />
              <p>
                {[
                  guest.origin === 'fork' ? 'forked from a frozen guest' : 'booted for this test',
                  ...(result.boot_ms === null
                    ? ['did not boot']
                    : [`booted in ${seconds(result.boot_ms)} of guest time`]),
                  `ran for ${seconds(result.duration_ms)}`,
                  ...(time
                    ? [
                        `limit ${seconds(time.limit_ms)}`,
                        `QEMU waited ${seconds(time.lost_ms)} for a processor`,
                      ]
                    : []),
                ].join(', ')}
                .
              </p>
            </>
          )}
        </Fold>
      )}
    </div>
  );
}

/** The kernels of a test side by side. */
function Generations({ page, generations }: { page: Page; generations: GenerationResult[] }) {
  const ms = (value: number | null) => (value === null ? '–' : seconds(value));
  return (
    <>
      <h4>Kernels</h4>
      <Wide label="Kernels of the test, side by side">
        <table class="generations">
          <thead>
            <tr>
              <td />
              {generations.map(({ generation }) => (
                <th key={generation} scope="col">
                  {generation}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            <tr>
              <th scope="row">Verdict</th>
              {generations.map(({ generation, verdict }) => (
                <td key={generation}>
                  <VerdictWord verdict={verdict} />
                </td>
              ))}
            </tr>
            {rowsOfGenerations.map(([name, value]) => (
              <tr key={name}>
                <th scope="row">{name}</th>
                {generations.map((one) => (
                  <td key={one.generation}>
                    <Text of={value(one, ms)} />
                  </td>
                ))}
              </tr>
            ))}
            <tr>
              <th scope="row">Logs</th>
              {generations.map(({ generation, kmsg, output, console }) => (
                <td key={generation}>
                  <FileLink path={kmsg} name="kernel" /> <FileLink path={output} name="output" />{' '}
                  <FileLink path={console} name="console" />
                </td>
              ))}
            </tr>
          </tbody>
        </table>
      </Wide>
      {generations.some(({ verdict, kmsg }) => isBad(verdict) && !page.data.files[kmsg]) && (
        <p class="why">Logs of some kernels are only linked.</p>
      )}
    </>
  );
}

type Milliseconds = (value: number | null) => string;

const rowsOfGenerations: [string, (one: GenerationResult, ms: Milliseconds) => string][] = [
  ['Reason', ({ detail }) => detail || '–'],
  ['Kernel', ({ release }) => release ?? 'did not boot'],
  ['Started by', ({ by }) => by],
  ['Blackout', ({ blackout_ms }, ms) => ms(blackout_ms)],
  ['Boot', ({ boot_ms }, ms) => ms(boot_ms)],
  ['Ran for', ({ duration_ms }, ms) => ms(duration_ms)],
];
