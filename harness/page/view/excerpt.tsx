// SPDX-License-Identifier: MIT
import type { SourceExcerpt } from '../../schema.ts';
import { Printed, Tag, Text } from './parts.tsx';

type ExcerptProps = { file: string; line: number; source: SourceExcerpt };

/** Source lines: the one that is meant has an arrow, those that the series changed last have a plus sign. */
export function Excerpt({ file, line, source: { first, lines, patches } }: ExcerptProps) {
  const ours = [...new Set((patches ?? []).filter((patch) => patch !== null))];
  const width = String(first + lines.length).length;
  const isMeant = (index: number) => first + index === line;
  return (
    <div class="excerpt">
      <Printed label={`${file}, line ${line}`}>
        {lines.map((text, index) => {
          const isOurs = (patches?.[index] ?? null) !== null;
          const sign = `${isMeant(index) ? '→' : ' '}${isOurs ? '+' : ' '}`;
          return (
            <span
              key={first + index}
              class={`row${isMeant(index) ? ' meant' : ''}${isOurs ? ' ours' : ''}`}
              title={patches?.[index] ?? undefined}
            >
              {`${sign}${String(first + index).padStart(width)}  `}
              <span class="code">
                <Text of={text} />
              </span>
              {'\n'}
            </span>
          );
        })}
      </Printed>
      {ours.length > 0 && (
        <p class="why">
          + changed by{' '}
          {ours.map((patch) => (
            <Tag key={patch} tone="patch">
              <Text of={patch} />
            </Tag>
          ))}
        </p>
      )}
    </div>
  );
}
