// SPDX-License-Identifier: MIT
import { seconds } from '../../report/text.ts';
import type { Results } from '../../schema.ts';
import { plural } from '../../util/plural.ts';
import { failureId } from '../address.ts';
import { isFailure, type Row } from '../model.ts';
import { type Span, type Timeline as Times, timelineOf } from '../timeline.ts';
import { Jump, type Page } from './page.tsx';
import { Fold, Text, Wide } from './parts.tsx';

/** Bars that are drawn; the longest ones. */
const mostBars = 1500;

/** When stages and guests ran, and where the time went. Nothing if the results do not have the times. */
export function Timeline({ page, rows }: { page: Page; rows: readonly Row[] }) {
  const times = timelineOf(page.data.results);
  if (!times) return null;
  const failed = new Set(rows.filter(isFailure).map(({ suite, test }) => failureId(suite, test)));
  const all = [...times.stages, ...times.guests].flat();
  const drawn = new Set(all.toSorted((a, b) => b.to - b.from - (a.to - a.from)).slice(0, mostBars));
  const onPath = new Set(times.path);
  const lane = (spans: Span[], name: string) => (
    <li key={name} class="lane">
      <span class="name">{name}</span>
      <ol>
        {spans
          .filter((span) => drawn.has(span))
          .map((span) => (
            <Bar
              key={`${span.job} ${span.name}`}
              page={page}
              span={span}
              total={times.total}
              isOnPath={onPath.has(span)}
              failed={failed}
            />
          ))}
      </ol>
    </li>
  );
  return (
    <section id="timeline" tabIndex={-1} aria-labelledby="timeline-title">
      <h2 id="timeline-title">Timeline</h2>
      <Shares times={times} />
      <Fold summary="Guests on slots" open={all.length <= 200}>
        {() => (
          <>
            <Wide label="Timeline" class="wide timeline">
              <ol class="lanes">
                {times.stages.map((spans, index) =>
                  lane(spans, index === 0 ? 'Stages' : `Stages ${index + 1}`),
                )}
                {times.guests.map((spans, index) => lane(spans, `Slot ${index + 1}`))}
                <Axis total={times.total} />
              </ol>
            </Wide>
            <p class="why">
              The light part of a guest is its start. Bars with a line below are on the critical path.
              {all.length > drawn.size && ` ${plural(all.length - drawn.size, 'short bar')} are not drawn.`}
            </p>
          </>
        )}
      </Fold>
    </section>
  );
}

type BarProps = { page: Page; span: Span; total: number; isOnPath: boolean; failed: Set<string> };

function Bar({ page, span: { name, job, from, to, guest }, total, isOnPath, failed }: BarProps) {
  const percent = (ms: number) => `${(100 * Math.max(0, ms)) / total}%`;
  const several = page.data.results.jobs.length > 1;
  const what = [
    several ? `${name} on ${job}` : name,
    ...(guest ? [guest.isHung ? 'hung' : guest.verdict] : []),
    `${seconds(from)} to ${seconds(to)}`,
    ...(guest ? [`${guest.isFork ? 'forked' : 'booted'} in ${seconds(guest.start)}`] : []),
    ...(isOnPath ? ['on the critical path'] : []),
  ].join(', ');
  const id = guest && failureId(guest.suite, guest.test);
  const body = (
    <>
      {guest && <span class="start" style={{ width: `${(100 * guest.start) / Math.max(1, to - from)}%` }} />}
      <span class="label">
        <Text of={name} />
      </span>
      <span class="sr">, {what.slice(name.length + 2)}</span>
    </>
  );
  return (
    <li
      class={`bar ${guest?.verdict ?? 'stage'}${isOnPath ? ' path' : ''}`}
      style={{ left: percent(from), width: percent(to - from) }}
      title={what}
    >
      {id && failed.has(id) ? (
        <Jump page={page} to={id}>
          {body}
        </Jump>
      ) : (
        body
      )}
    </li>
  );
}

function Axis({ total }: { total: number }) {
  const step = stepOf(total);
  const ticks = Array.from({ length: Math.floor(total / step) + 1 }, (_, index) => index * step);
  return (
    <li class="lane axis" aria-hidden="true">
      <span class="name" />
      <ol>
        {ticks.map((tick) => (
          <li key={tick} style={{ left: `${(100 * tick) / total}%` }}>
            {tick < 120_000 || total < 240_000 ? `${tick / 1000} s` : `${Math.round(tick / 6000) / 10} min`}
          </li>
        ))}
      </ol>
    </li>
  );
}

/** Milliseconds between two ticks: at most ten. */
function stepOf(total: number): number {
  const steps = [1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14_400];
  return 1000 * (steps.find((step) => total / (1000 * step) <= 10) ?? 43_200);
}

/** Where the time went. */
function Shares({ times: { shares, total } }: { times: Times }) {
  return (
    <Wide label="Where the time went">
      <table class="shares">
        <thead>
          <tr>
            <th scope="col">What took the time</th>
            <th scope="col" class="number">
              Critical path
            </th>
            <th scope="col" class="number">
              Share
            </th>
            <th scope="col" class="number">
              In all
            </th>
          </tr>
        </thead>
        <tbody>
          {shares.map(({ kind, path, all }) => (
            <tr key={kind}>
              <th scope="row">
                <Text of={kind} />
              </th>
              <td class="number">{seconds(path)}</td>
              <td class="number">{Math.round((100 * path) / total)} %</td>
              <td class="number">{seconds(all)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </Wide>
  );
}

/** Whether the page has a timeline. */
export function hasTimeline(results: Results): boolean {
  return timelineOf(results) !== null;
}
