// SPDX-License-Identifier: MIT
import type { ComponentChildren } from 'preact';
import type { JobResult } from '../../schema.ts';
import { plural } from '../../util/plural.ts';
import { quote } from '../../util/quote.ts';
import { Checks } from './checks.tsx';
import type { Page } from './page.tsx';
import { Command, Fold, PatchTag, Printed, Tag, Text } from './parts.tsx';

/** What was tested, and on what; of `kiln ci`, also the checks of each patch. */
export function Tested({ page }: { page: Page }) {
  const { results } = page.data;
  const { ci, jobs } = results;
  const last = jobs.findLast(({ kernel }) => kernel) ?? jobs.at(-1);
  const ended = jobs.filter(({ error }) => error !== null);
  return (
    <section id="tested" tabIndex={-1} aria-labelledby="tested-title">
      <h2 id="tested-title">What was tested</h2>
      {ended.map((job) => (
        <EarlyEnd key={job.id} job={job} isNamed={jobs.length > 1} />
      ))}
      {results.errors.map((error, index) => (
        <div class="problem" key={index}>
          <p>
            <Tag tone="error">{error.code}</Tag> <Text of={error.message} />
          </p>
        </div>
      ))}
      {last && (
        <dl class="facts">
          <Fact name="Base">
            <Text of={ci?.base.source ?? last.base.source} />
            {last.base.version && (
              <>
                , <Text of={last.base.version} />
              </>
            )}
            {ci && (
              <span class="why">
                {' '}
                (<Text of={ci.base.reason} />)
              </span>
            )}
            {last.base.commit && <code class="key"> {last.base.commit.slice(0, 12)}</code>}
          </Fact>
          {ci === undefined && (
            <Fact name="Series">
              <Series job={last} />
            </Fact>
          )}
          <Fact name="Config">
            <Text of={[...new Set(['base', ...last.config])].join(' + ')} />
          </Fact>
          <Fact name="Compiler">
            <Text of={last.compiler ?? 'not known'} />
          </Fact>
          <Fact name="Guests">
            <Machine page={page} job={last} />
          </Fact>
          <Fact name="Kernel">
            {last.kernel ? <Text of={last.kernel.release} /> : 'not built'}
            {last.kernel && last.kernel.warnings.length > 0 && <Warnings job={last} />}
          </Fact>
          <NotTested page={page} />
        </dl>
      )}
      <Command label="Command" text={results.command.map(quote).join(' ')} />
      {jobs.flatMap(({ notes = [] }) => notes).length > 0 && (
        <Fold summary="Warnings of Kiln">
          {() => (
            <ul>
              {[...new Set(jobs.flatMap(({ notes = [] }) => notes))].map((note) => (
                <li key={note}>
                  <Text of={note} />
                </li>
              ))}
            </ul>
          )}
        </Fold>
      )}
      {ci && <Checks ci={ci} />}
    </section>
  );
}

function Fact({ name, children }: { name: string; children: ComponentChildren }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

/** The series of a job, with the subject of each patch. */
function Series({ job: { series } }: { job: JobResult }) {
  if (series.length === 0) return <>none</>;
  return (
    <>
      {series.map(({ name, source, revision, patches, missing = [] }) => (
        <Fold
          key={source}
          summary={
            <>
              <Text of={name} />
              {revision ? ` v${revision}` : ''}: {plural(patches.length, 'patch')}
              {missing.length > 0 && ` (without its missing parts ${missing.join(', ')})`}
            </>
          }
        >
          {() => (
            <ol>
              {patches.map(({ file, subject }) => (
                <li key={file} title={file}>
                  <Text of={subject} />
                </li>
              ))}
            </ol>
          )}
        </Fold>
      ))}
    </>
  );
}

function Machine({ page, job }: { page: Page; job: JobResult }) {
  const guest = page.data.results.tests.find((test) => test.job === job.id && test.guest)?.guest;
  const { name, cpu, reason } = job.accelerator;
  return (
    <>
      <Text of={guest?.qemu[0] ?? 'QEMU'} />, {name}{' '}
      <span class="why">
        (<Text of={reason} />)
      </span>
      {cpu && (
        <>
          , CPU <Text of={cpu} />
        </>
      )}
      {guest && `, ${guest.cpus} CPUs, ${guest.memory} MiB`}
    </>
  );
}

function Warnings({ job }: { job: JobResult }) {
  const warnings = job.kernel?.warnings ?? [];
  return (
    <Fold summary={plural(warnings.length, 'compiler warning')}>
      {() => (
        <ul class="findings">
          {warnings.map(({ file, line, text, patch }) => (
            <li key={`${file}:${line}:${text}`}>
              <code>
                <Text of={`${file}:${line}: ${text}`} />
              </code>
              <PatchTag patch={patch} />
            </li>
          ))}
        </ul>
      )}
    </Fold>
  );
}

/** Suites and files that were left out, and why. */
function NotTested({ page }: { page: Page }) {
  const { jobs, ci } = page.data.results;
  const suites = jobs.flatMap(({ left_out }) => left_out.map(({ suite, reason }) => `${suite}: ${reason}`));
  const lines = [...new Set([...(ci?.not_tested ?? []), ...suites])];
  if (lines.length === 0) return null;
  return (
    <Fact name="Not tested">
      <ul>
        {lines.map((line) => (
          <li key={line}>
            <Text of={line} />
          </li>
        ))}
      </ul>
    </Fact>
  );
}

/** The error that ended a job. */
function EarlyEnd({ job: { id, error }, isNamed }: { job: JobResult; isNamed: boolean }) {
  if (!error) return null;
  const { code, message, hint, output } = error as Record<string, unknown>;
  return (
    <div class="problem">
      <p>
        <Tag tone="error">{String(code)}</Tag> {isNamed && <>job {id}: </>}
      </p>
      <Printed text={[message, output].filter((one) => typeof one === 'string' && one !== '').join('\n')} />
      {typeof hint === 'string' && hint !== '' && (
        <p>
          <Text of={hint} />
        </p>
      )}
    </div>
  );
}
