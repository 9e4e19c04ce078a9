// SPDX-License-Identifier: MIT
// The text of a config fragment: which values it wishes for, and how much it depends on them.
import { KilnError } from '../errors.ts';
import { several } from '../util/plural.ts';

/**
 * What happens if a symbol does not get its value. `needed`: the run ends; `preferred`: a note names it; `optional`: a
 * note counts it.
 */
export type Need = 'needed' | 'preferred' | 'optional';

/** One line of a fragment. */
export type Wish = {
  /** Without CONFIG_. */
  symbol: string;
  /** As .config writes it: y, m, n, a number, or a quoted string. */
  value: string;
  need: Need;
  /** It is enough if another line of its block gets its value. */
  isAlternative: boolean;
  /** From 1. */
  line: number;
  /** Of alternatives, the line before the first. */
  block: number;
};

/** A named piece of kernel configuration. `name` is for people: `base`, `suite srvfs`, a path. */
export type Fragment = { name: string; wishes: Wish[] };

/** A line that Kconfig would ignore. */
export type Stray = { line: number; text: string };

/**
 * Read a fragment. Each line is `CONFIG_X=value`, `# CONFIG_X is not set`, a comment or empty; a comment behind a value
 * is cut. The comments `# kiln: needed` and `# kiln: preferred` hold for all lines behind them, `# kiln: one of` for
 * those up to an empty line. Without such a comment, a line is `needed`. Guests load no modules, so `=m` is read as `=y`.
 */
export function parseFragment(
  name: string,
  text: string,
  { need: first = 'needed', keepsModules = false }: { need?: Need; keepsModules?: boolean } = {},
): { fragment: Fragment; strays: Stray[] } {
  const wishes: Wish[] = [];
  const strays: Stray[] = [];
  let need = first;
  let block = 0;
  for (const [index, raw] of text.split('\n').entries()) {
    const [content, line] = [raw.trim(), index + 1];
    if (content === '') block = 0;
    const directive = /^#\s*kiln:\s*(.*)$/.exec(content)?.[1];
    const wish = directive === undefined ? parseLine(content, keepsModules) : undefined;
    if (directive === 'one of') block = line;
    else if (directive === 'needed' || directive === 'preferred') [need, block] = [directive, 0];
    else if (wish) wishes.push({ ...wish, need, isAlternative: block > 0, line, block: block || line });
    else if (directive !== undefined || (content !== '' && !content.startsWith('#')))
      strays.push({ line, text: content });
  }
  return { fragment: { name, wishes }, strays };
}

function parseLine(content: string, keepsModules: boolean): Pick<Wish, 'symbol' | 'value'> | undefined {
  const unset = /^# CONFIG_(\w+) is not set$/.exec(content)?.[1];
  if (unset !== undefined) return { symbol: unset, value: 'n' };
  const [, symbol, value] =
    /^CONFIG_(\w+)=([ymn]|-?\d+|0x[\da-fA-F]+|"(?:[^"\\]|\\.)*")(?:\s+#.*)?$/.exec(content) ?? [];
  return symbol === undefined ? undefined : { symbol, value: value === 'm' && !keepsModules ? 'y' : value! };
}

/** The error for a file of the user's that has such lines. */
export function strayError(file: string, strays: readonly Stray[]): KilnError {
  return new KilnError(
    'bad-input',
    `${file} has lines that are no config lines:\n  ${describe(file, strays)}`,
    {
      hint: 'a line is CONFIG_X=y, CONFIG_X="text", # CONFIG_X is not set, or a comment',
    },
  );
}

/** `config:3: CONFIG_TUN`, one a line. */
function describe(file: string, strays: readonly Stray[]): string {
  const shown = strays.map(({ line, text }) => `${file}:${line}: ${text.slice(0, 100)}`);
  return several(shown, 20, '\n  ');
}

/** The sentence about such lines in a suite of the kernel's tree, whose author is not at hand. */
export function strayWarning(file: string, strays: readonly Stray[]): string {
  const lines = strays.map(({ line, text }) => `${line} (${text.slice(0, 40)})`);
  return `${file}: no config line, and ignored: line ${several(lines)}`;
}

/** For each symbol its last wish, in the order of these. */
export function lastWishes(fragments: readonly Fragment[]): (Wish & { fragment: string })[] {
  const last = new Map<string, Wish & { fragment: string }>();
  for (const { name, wishes } of fragments)
    for (const wish of wishes) {
      last.delete(wish.symbol);
      last.set(wish.symbol, { ...wish, fragment: name });
    }
  return [...last.values()];
}

/**
 * The text for Kconfig, in which the last line of a choice wins; of alternatives, this is the first.
 * @param defined the symbols that the tree defines; others that are not needed are left out
 */
export function asKconfigText(fragments: readonly Fragment[], defined: ReadonlySet<string>): string {
  const wishes = lastWishes(fragments).filter(
    ({ need, isAlternative, symbol }) => (need === 'needed' && !isAlternative) || defined.has(symbol),
  );
  const lines: string[] = [];
  for (let at = 0; at < wishes.length; ) {
    const { fragment, block } = wishes[at]!;
    let end = at + 1;
    while (wishes[end]?.fragment === fragment && wishes[end]?.block === block) end++;
    lines.push(...wishes.slice(at, end).reverse().map(asLine));
    at = end;
  }
  return `${lines.join('\n')}\n`;
}

/** As .config has it. */
export function asLine({ symbol, value }: Pick<Wish, 'symbol' | 'value'>): string {
  return value === 'n' ? `# CONFIG_${symbol} is not set` : `CONFIG_${symbol}=${value}`;
}
