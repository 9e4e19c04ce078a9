// SPDX-License-Identifier: MIT
import { useMemo, useState } from 'preact/hooks';
import { fileId, readFileId } from '../address.ts';
import { type LogLine, levelNames, logLines } from '../klog.ts';
import { Jump, type Page } from './page.tsx';
import { FileLink, Fold, Wide } from './parts.tsx';

type LogFileProps = { page: Page; path: string; name: string; isOpen?: boolean };

/** A file of the run: folded, searchable, each line with an address. Only linked if the page does not hold it. */
export function LogFile({ page, path, name, isOpen = false }: LogFileProps) {
  const file = page.data.files[path];
  const target = readFileId(page.address.at);
  if (!file)
    return (
      <p class="linked">
        {name}: <FileLink path={path} />
      </p>
    );
  const size = file.bytes < 2048 ? `${file.bytes} bytes` : `${Math.round(file.bytes / 1024)} KiB`;
  return (
    <Fold
      id={fileId(path)}
      class="logfile"
      open={isOpen || target?.path === path}
      summary={
        <>
          {name} <span class="why">({size})</span>
        </>
      }
    >
      {() => <Opened page={page} path={path} name={name} />}
    </Fold>
  );
}

function Opened({ page, path, name }: { page: Page; path: string; name: string }) {
  const file = page.data.files[path]!;
  const [wanted, setWanted] = useState('');
  const lines = useMemo(() => logLines(file), [file]);
  const found = useMemo(() => {
    const text = wanted.toLowerCase();
    return text === '' ? null : lines.filter((line) => line.text.toLowerCase().includes(text));
  }, [lines, wanted]);
  return (
    <>
      <div class="logbar">
        <label>
          Search{' '}
          <input
            type="search"
            value={wanted}
            aria-label={`Search in ${name}`}
            onInput={(event) => setWanted(event.currentTarget.value)}
          />
        </label>
        <span role="status">
          {found === null ? `${lines.length} lines` : `${found.length} of ${lines.length} lines`}
        </span>
        <FileLink path={path} name="the file" />
      </div>
      {file.first > 1 && (
        <p class="why">
          The first {file.first - 1} lines are only in <FileLink path={path} name="the file" />.
        </p>
      )}
      <LogLines page={page} path={path} lines={found ?? lines} label={name} />
    </>
  );
}

/** Lines in one block of the page; more make the browser slow, so that those that are not seen are not laid out. */
const chunk = 200;

type LogLinesProps = {
  page: Page;
  path: string;
  lines: readonly LogLine[];
  label: string;
  own?: Set<number>;
  isExcerpt?: boolean;
};

/**
 * Lines of a log, with level and caller where they are known. `own`: lines that are marked. `isExcerpt`: the lines are in
 * the page a second time, so they link to the whole log.
 */
export function LogLines({ page, path, lines, label, own, isExcerpt = false }: LogLinesProps) {
  const target = readFileId(page.address.at);
  const marked = target?.path === path ? target.line : null;
  const chunks = Array.from({ length: Math.ceil(lines.length / chunk) }, (_, index) =>
    lines.slice(index * chunk, (index + 1) * chunk),
  );
  return (
    <Wide class="log" label={label}>
      {chunks.map((some) => (
        <div class="chunk" key={some[0]!.number} style={{ '--lines': some.length }}>
          {some.map((line) => (
            <Line
              key={line.number}
              page={page}
              path={path}
              line={line}
              isMarked={line.number === marked}
              isOwn={own?.has(line.number) ?? false}
              isExcerpt={isExcerpt}
            />
          ))}
        </div>
      ))}
    </Wide>
  );
}

type LineProps = {
  page: Page;
  path: string;
  line: LogLine;
  isMarked: boolean;
  isOwn: boolean;
  isExcerpt: boolean;
};

function Line({ page, path, line: { number, stamp, level, text }, isMarked, isOwn, isExcerpt }: LineProps) {
  const id = fileId(path, number);
  return (
    <div
      id={isExcerpt ? undefined : id}
      class={`line${isMarked ? ' marked' : ''}${isOwn ? ' own' : ''}${typeof level === 'number' && level <= 4 ? ' loud' : ''}`}
    >
      <Jump page={page} to={id}>
        {number}
      </Jump>
      {stamp !== '' && <span class="stamp">{stamp}</span>}
      {level !== null && (
        <span class="level">{(level === 'user' ? level : levelNames[level]!).padEnd(6)}</span>
      )}
      <span class="text">{text}</span>
    </div>
  );
}
