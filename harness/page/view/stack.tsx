// SPDX-License-Identifier: MIT
import type { SplatFrame, SplatResult } from '../../schema.ts';
import { isMessenger } from '../../splat/culprit.ts';
import { Excerpt } from './excerpt.tsx';
import { Fold, PatchTag, Some, Text } from './parts.tsx';

/** Innermost places whose source is shown at once; of others only if the series changed them. */
const innermost = 2;

type Place = SplatFrame['places'][number];

/** The decoded stack, the innermost function first. Functions that only report are left out. */
export function Stack({ frames = [] }: Pick<SplatResult, 'frames'>) {
  const places = frames.flatMap(({ at, places: own }) =>
    own
      .map((place, index) => ({ place, at, isInlined: index < own.length - 1 }))
      .filter((one) => !isMessenger(one.place.function)),
  );
  if (places.length === 0) return null;
  return (
    <>
      <h4>Stack</h4>
      <Some items={places} most={12} noun="functions">
        {(some) => (
          <ol class="stack">
            {some.map(({ place, at, isInlined }, index) => (
              <li key={index}>
                <StackPlace place={place} at={at} isInlined={isInlined} isShown={index < innermost} />
              </li>
            ))}
          </ol>
        )}
      </Some>
    </>
  );
}

type StackPlaceProps = { place: Place; at: string; isInlined: boolean; isShown: boolean };

function StackPlace({ place, at, isInlined, isShown }: StackPlaceProps) {
  const { function: name, file, line, patch, source } = place;
  const title = (
    <>
      <code title={at}>
        <Text of={name} />
      </code>{' '}
      <span class="place">
        <Text of={`${file}:${line}`} />
      </span>
      {isInlined && <span class="why"> inlined</span>}
      <PatchTag patch={patch} />
    </>
  );
  if (!source) return <p>{title}</p>;
  return (
    <Fold open={isShown || patch !== null} summary={title}>
      {() => <Excerpt file={file} line={line} source={source} />}
    </Fold>
  );
}
