// SPDX-License-Identifier: MIT

/**
 * The names of a test program's cases, from what kselftest_harness.h prints for `-l`: `fixture.test` or
 * `fixture.variant.test`, as its `-r` takes them. null if the text is no such list.
 *
 * A block of lines a fixture, in columns; its variants and its tests are two lists side by side, and every variant
 * has every test. The first line of a block names the fixture.
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

/** Two columns of at least 20 and 25 characters, filled up with spaces, and the rest. */
function columns(line: string): string[] {
  const [fixture, afterFixture] = column(line, 20);
  const [variant, afterVariant] = column(afterFixture, 25);
  return [fixture, variant, afterVariant.trim()];
}

function column(line: string, width: number): [string, string] {
  const word = /^\S*/.exec(line)![0];
  return [word, line.slice(Math.max(word.length, width) + 1)];
}
