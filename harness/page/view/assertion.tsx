// SPDX-License-Identifier: MIT
import type { CaseResult } from '../../schema.ts';
import { Excerpt } from './excerpt.tsx';
import { Printed, Text } from './parts.tsx';

/** A failed case: what it printed, and the source lines of the assertion. */
export function Assertion({ item }: { item: CaseResult }) {
  const { name, verdict, detail, asserted = [] } = item;
  return (
    <div class="case">
      <h4>
        <span class={`verdict ${verdict}`}>{verdict === 'timeout' ? 'timed out' : 'not ok'}</span>{' '}
        <Text of={name} />
      </h4>
      {detail.trim() !== '' && <Printed text={detail} />}
      {asserted.map(({ file, line, source }) => (
        <div key={`${file}:${line}`}>
          <p class="place">
            <Text of={`${file}:${line}`} />
          </p>
          <Excerpt file={file} line={line} source={source} />
        </div>
      ))}
    </div>
  );
}
