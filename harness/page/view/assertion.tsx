// SPDX-License-Identifier: MIT
import type { CaseResult } from '../../schema.ts';
import { Printed, Text } from './parts.tsx';

/** A failed case: what it printed, and the source lines of the assertion. */
export function Assertion({ item }: { item: CaseResult }) {
  const { name, verdict, detail } = item;
  return (
    <div class="case">
      <h4>
        <span class={`verdict ${verdict}`}>not ok</span> <Text of={name} />
      </h4>
      {detail.trim() !== '' && <Printed text={detail} />}
    </div>
  );
}
