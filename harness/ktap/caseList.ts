// SPDX-License-Identifier: MIT

/**
 * Parse the output of kselftest_harness.h's `-l`. Returns the names of the cases as its `-r` takes them:
 * `fixture.test` or `fixture.variant.test`. null if the text is no such list.
 *
 * Each fixture is a block of lines with three columns. The first line has the fixture's name; the other
 * columns are two independent lists, of its variants and of its tests. Every variant has every test.
 */
export function readCaseList(text: string): string[] | null {
  const lines = text.split('\n');
  const head = lines.findIndex((line) => /^# FIXTURE +VARIANT +TEST$/.test(line));
  if (head < 0) return null;
  const names: string[] = [];
  let block: string[][] = [];
  const finish = () => {
    const fixture = block[0]?.[0] ?? '';
    const variants = block.map(([, variant]) => variant!).filter(Boolean);
    const tests = block.map(([, , name]) => name!).filter(Boolean);
    for (const variant of variants.length > 0 ? variants : [''])
      for (const name of tests) names.push([fixture, variant, name].filter(Boolean).join('.'));
    block = [];
  };
  for (const line of lines.slice(head + 1)) {
    if (/^-+$/.test(line)) finish();
    else if (line.trim() !== '') block.push(columns(line));
  }
  finish();
  return names.length > 0 ? names : null;
}

/** Splits a line into two columns, padded to 20 and 25 characters, and the rest. */
function columns(line: string): string[] {
  const [fixture, afterFixture] = column(line, 20);
  const [variant, afterVariant] = column(afterFixture, 25);
  return [fixture, variant, afterVariant.trim()];
}

function column(line: string, width: number): [string, string] {
  const word = /^\S*/.exec(line)![0];
  return [word, line.slice(Math.max(word.length, width) + 1)];
}
