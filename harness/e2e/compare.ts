// SPDX-License-Identifier: MIT
// Compares two runs of the same tests on different guests.
import type { Results, TestResult } from '../schema.ts';

/** Everything that decides the verdict. How much output a crashed guest has written is chance, so it is excluded. */
function essence({ verdict, cases, splats }: TestResult): string {
  const said = verdict === 'crash' ? [] : cases.map(({ name, verdict: one }) => `${one} ${name}`);
  return [verdict, ...said, ...splats.map(({ title, kind }) => `${kind} ${title}`)].join('\n  ');
}

/** The tests (`suite/test`) whose results differ, each with a text that has both results. */
export function differences(...both: [Results, Results]): Map<string, string> {
  const [here, there] = both.map(
    ({ tests }) => new Map(tests.map((result) => [`${result.suite}/${result.test}`, result])),
  ) as [Map<string, TestResult>, Map<string, TestResult>];
  const isSame = (name: string) => {
    const [one, other] = [here.get(name), there.get(name)];
    return one && other && essence(one) === essence(other);
  };
  const told = (result: TestResult | undefined) =>
    result ? `${essence(result)}\n  (${[result.detail, ...result.problems].join('; ')})` : 'no result';
  const names = [...new Set([...here.keys(), ...there.keys()])].filter((name) => !isSame(name));
  return new Map(
    names.map((name) => [name, `${name}: ${told(here.get(name))}\nand: ${told(there.get(name))}`]),
  );
}
