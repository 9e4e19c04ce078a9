// SPDX-License-Identifier: MIT
import { useMemo, useState } from 'preact/hooks';
import { decodedLines } from '../../report/changes.ts';
import type { SplatResult } from '../../schema.ts';
import { around, logLines } from '../klog.ts';
import { LogLines } from './log.tsx';
import type { Page } from './page.tsx';
import { Fold, Printed, Tag, Text } from './parts.tsx';
import { Stack } from './stack.tsx';

type SplatProps = { page: Page; splat: SplatResult; logs: string[]; isOpen: boolean };

/** A complaint of the kernel: its stack with source lines, and the kernel log around it. `logs`: where that may be. */
export function Splat({ page, splat, logs, isOpen }: SplatProps) {
  const { title, kind, phase, expected, notice, torn, task, panic } = splat;
  const facts = [
    kind,
    phase === 'test' ? 'during the test' : `during ${phase}`,
    ...(task ? [`task ${task}`] : []),
    ...(torn ? ['incomplete'] : []),
    ...(expected ? ['expected'] : notice ? ['notice'] : []),
  ];
  return (
    <Fold
      class="splat"
      open={isOpen}
      summary={
        <>
          <Tag tone={expected || notice ? 'known' : 'splat'}>splat</Tag>{' '}
          <strong>
            <Text of={title} />
          </strong>{' '}
          <span class="why">
            <Text of={facts.join(', ')} />
          </span>
        </>
      }
    >
      {() => (
        <>
          {panic && (
            <p>
              It led to a panic: <Text of={panic} />
            </p>
          )}
          <Stack frames={splat.frames} />
          <Report splat={splat} />
          <LogAround page={page} splat={splat} logs={logs} />
        </>
      )}
    </Fold>
  );
}

/** What the kernel printed. Without registers, unless the reader asks for them. */
function Report({ splat }: { splat: SplatResult }) {
  const [all, setAll] = useState(false);
  const lines = useMemo(() => decodedLines(splat), [splat]);
  const short = lines.filter((line) => !noise.test(line));
  return (
    <>
      <h4>Report</h4>
      <Printed text={(all ? lines : short).join('\n')} />
      {short.length < lines.length && (
        <button type="button" aria-pressed={all} onClick={() => setAll(!all)}>
          Registers and code
        </button>
      )}
    </>
  );
}

/** Lines of a report that rarely tell anything. */
const noise =
  /^\s*(?:R[0-9A-DS][0-9XIP]:|RSP:|RBP:|CR[0-4]:|DR[0-7]:|[CDEFG]S: |PKRU:|Code: |Modules linked in:|Hardware name:|EFLAGS|\? )/;

/** From the first log that has it: of a kernel that did not get far, only the console does. */
function LogAround({ page, splat, logs }: { page: Page; splat: SplatResult; logs: string[] }) {
  const { files } = page.data;
  const found = useMemo(() => {
    for (const path of logs) {
      const lines = files[path] ? logLines(files[path]) : [];
      const place = around(lines, splat);
      if (place) return { path, lines: lines.slice(place.start, place.end), own: place.own };
    }
    return null;
  }, [files, logs, splat]);
  if (!found) return null;
  const label = 'Kernel log around it';
  return <Fold summary={label}>{() => <LogLines page={page} {...found} label={label} isExcerpt />}</Fold>;
}
