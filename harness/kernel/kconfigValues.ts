// SPDX-License-Identifier: MIT
// The values that Kconfig gives to symbols, computed from its files.
import type { ConfigValues } from './dotConfig.ts';
import {
  allOf,
  asTristate,
  type Expression,
  evaluate,
  type LookUp,
  least,
  most,
  type Tristate,
} from './expression.ts';
import type { Choice, Definition, Kconfig, Selectors } from './kconfig.ts';

/** When a config file can set a symbol by this entry. */
export function promptOf({ prompt, visible, depends, choice }: Definition): Expression | null {
  if (prompt === null) return null;
  return allOf([depends, visible, prompt, ...(choice === null ? [] : [choice.depends, choice.prompt])]);
}

/**
 * What `make allnoconfig` makes of a fragment. Where only running a program would tell, a value is null.
 * @param assigned the fragment's values
 * @param defaults as for `make alldefconfig`, which gives symbols that the fragment does not name Kconfig's default
 */
export function valuesOf(
  { symbols, selectors, impliers }: Kconfig,
  assigned: Readonly<ConfigValues>,
  defaults: boolean,
): LookUp {
  const known = new Map<string, string | null>();
  const lookUp: LookUp = (name) => {
    const found = known.get(name);
    if (found !== undefined) return found;
    // Until it is computed, for a symbol that depends on itself.
    known.set(name, 'n');
    const value = compute(name);
    known.set(name, value);
    return value;
  };
  const weigh = (expression: Expression) => evaluate(expression, lookUp);

  const compute = (name: string): string | null => {
    const definitions = symbols.get(name);
    // Kconfig takes the name of an unknown symbol for a text.
    if (definitions === undefined) return 'n';
    const type = definitions.find((one) => one.type !== null)?.type ?? 'bool';
    const isSettable = visibility(definitions);
    if (type !== 'bool' && type !== 'tristate') {
      const text = assigned.get(name);
      return text !== undefined && isSettable !== 0
        ? text.replace(/^"(.*)"$/, '$1')
        : defaultText(definitions);
    }
    const value = most(own(name, definitions, isSettable), turnedOn(name, selectors));
    return toText(value, type);
  };

  const own = (name: string, definitions: Definition[], isSettable: Tristate | null): Tristate | null => {
    const choice = definitions.find((one) => one.choice !== null)?.choice;
    if (choice) return chosen(choice, name);
    const wanted = assigned.get(name);
    if (isSettable !== 0 && wanted !== undefined) return least(asTristate(wanted), isSettable);
    if (isSettable !== 0 && !defaults) return 0;
    const depends = definitions.reduce<Tristate | null>((sum, one) => most(sum, weigh(one.depends)), 0);
    return most(byDefault(definitions), least(depends, turnedOn(name, impliers)));
  };

  const visibility = (definitions: readonly Definition[]) =>
    definitions
      .map(promptOf)
      .reduce<Tristate | null>((sum, prompt) => (prompt === null ? sum : most(sum, weigh(prompt))), 0);

  const byDefault = (definitions: readonly Definition[]): Tristate | null => {
    for (const { depends, defaults: candidates } of definitions)
      for (const { value, when } of candidates) {
        const holds = least(weigh(depends), weigh(when));
        if (holds !== 0) return least(holds, weigh(value));
      }
    return 0;
  };

  const defaultText = (definitions: readonly Definition[]): string | null => {
    for (const { depends, defaults: candidates } of definitions)
      for (const { value, text, when } of candidates) {
        if (least(weigh(depends), weigh(when)) === 0) continue;
        if (value.kind === 'unknown') return null;
        return symbols.has(text) ? lookUp(text) : text.replace(/^"(.*)"$/, '$1');
      }
    return '';
  };

  const turnedOn = (name: string, by: Selectors): Tristate | null =>
    (by.get(name) ?? []).reduce<Tristate | null>(
      (sum, { by, when }) => (sum === 2 ? 2 : most(sum, least(asTristate(lookUp(by)), weigh(when)))),
      0,
    );

  const chosen = (choice: Choice, name: string): Tristate | null => {
    if (weigh(choice.depends) === 0) return 0;
    const possible = choice.members.filter((member) => visibility(symbols.get(member) ?? []) !== 0);
    const wanted =
      weigh(choice.prompt) === 0 ? [] : possible.filter((member) => assigned.get(member) === 'y');
    const usual = choice.defaults.find(({ symbol, when }) => possible.includes(symbol) && weigh(when) !== 0);
    return (wanted.at(-1) ?? usual?.symbol ?? possible[0]) === name ? 2 : 0;
  };

  return lookUp;
}

function toText(value: Tristate | null, type: 'bool' | 'tristate'): string | null {
  if (value === null) return null;
  return value === 0 ? 'n' : value === 1 && type === 'tristate' ? 'm' : 'y';
}
