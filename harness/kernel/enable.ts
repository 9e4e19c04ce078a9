// SPDX-License-Identifier: MIT
// Which options to set so that a condition holds: a search through what options depend on. Kconfig has the last word.
import type { ConfigValues } from './dotConfig.ts';
import { allOf, asText, type Expression, evaluate, type LookUp, type Operand } from './expression.ts';
import type { Definition, Kconfig } from './kconfig.ts';
import { promptOf, valuesOf } from './kconfigValues.ts';

/** Bounds of a search: how deep options depend on each other, and how many are tried for one condition. */
const limits = { depth: 60, steps: 4000, selectors: 12 };

/** What it costs to set an option: COMPILE_TEST allows code that no PC runs, so it comes last. */
const costs = { option: 1, compileTest: 1000 };

const compileTest = 'COMPILE_TEST';

/** Sets options on top of a configuration, never against what that sets. */
export class Enabler {
  readonly #kconfig: Kconfig;
  readonly #base: ReadonlyMap<string, string>;
  readonly #defaults: boolean;
  #added: ConfigValues = new Map();
  #lookUp: LookUp;
  #steps = 0;
  #allowsCompileTest = true;
  /** Options that are being enabled, from the outermost to the innermost. */
  #path: string[] = [];

  /**
   * @param base values that the configuration sets
   * @param defaults whether other options get Kconfig's default in place of n
   */
  constructor(kconfig: Kconfig, base: ReadonlyMap<string, string>, defaults: boolean) {
    this.#kconfig = kconfig;
    this.#base = base;
    this.#defaults = defaults;
    this.#lookUp = this.#compute();
  }

  /** What was set so far, in this order. */
  get added(): ReadonlyMap<string, string> {
    return this.#added;
  }

  /** Whether a condition holds now. What can't be known counts as met. */
  holds(condition: Expression): boolean {
    const value = evaluate(condition, this.#lookUp);
    return value === null || value === 2;
  }

  isTristate(name: string): boolean {
    return this.#kconfig.symbols.get(name)?.some(({ type }) => type === 'tristate') ?? false;
  }

  /** Whether a condition holds only because COMPILE_TEST, which was added, allows it. */
  needsCompileTest(condition: Expression): boolean {
    if (!this.#added.has(compileTest)) return false;
    const others = [...this.#base, ...this.#added].filter(([name]) => name !== compileTest);
    return evaluate(condition, valuesOf(this.#kconfig, new Map(others), this.#defaults)) !== 2;
  }

  /**
   * Make a condition hold. Returns null, or why that can't be; then nothing is set.
   * @param allowsCompileTest whether COMPILE_TEST may be set
   */
  enable(condition: Expression, allowsCompileTest = true): string | null {
    this.#steps = 0;
    this.#allowsCompileTest = allowsCompileTest;
    const before = this.#added;
    const why = this.#satisfy(condition) ?? (this.holds(condition) ? null : `${asText(condition)} stays off`);
    if (why !== null) this.#restore(before);
    return why;
  }

  #compute(): LookUp {
    return valuesOf(this.#kconfig, new Map([...this.#base, ...this.#added]), this.#defaults);
  }

  #restore(added: ConfigValues): void {
    if (added === this.#added) return;
    this.#added = added;
    this.#lookUp = this.#compute();
  }

  #assign(name: string, value: 'y' | 'n'): void {
    this.#restore(new Map([...this.#added, [name, value]]));
  }

  #satisfy(condition: Expression): string | null {
    if (this.holds(condition)) return null;
    switch (condition.kind) {
      case 'symbol':
        return this.#turnOn(condition.name);
      case 'not':
        return this.#refuse(condition.of);
      case 'and':
        return firstReason(condition.parts, (part) => this.#satisfy(part));
      case 'or':
        return this.#cheapest(condition.parts.map((part) => () => this.#satisfy(part)));
      case 'compare':
        return this.#compare(condition);
      case 'unknown':
        return null;
    }
  }

  /** Make a condition not hold. */
  #refuse(condition: Expression): string | null {
    const value = evaluate(condition, this.#lookUp);
    if (value === null || value === 0) return null;
    switch (condition.kind) {
      case 'symbol':
        return this.#turnOff(condition.name);
      case 'not':
        return this.#satisfy(condition.of);
      case 'and':
        return this.#cheapest(condition.parts.map((part) => () => this.#refuse(part)));
      case 'or':
        return firstReason(condition.parts, (part) => this.#refuse(part));
      default:
        return `${asText(condition)} holds here`;
    }
  }

  #compare(condition: Extract<Expression, { kind: 'compare' }>): string | null {
    const { left, operator, right } = condition;
    const [symbol, constant] = isConstant(left) ? [right, left] : [left, right];
    const isOn = (operator === '=') === (constant.name !== 'n');
    if (
      isConstant(constant) &&
      !isConstant(symbol) &&
      (operator === '=' || operator === '!=') &&
      constant.name !== 'm'
    )
      return isOn ? this.#turnOn(symbol.name) : this.#turnOff(symbol.name);
    return `it needs ${asText(condition)}`;
  }

  #turnOff(name: string): string | null {
    const isFree = this.#defaults && !this.#base.has(name) && !this.#added.has(name);
    if (!isFree) return `it needs ${name} off, which this configuration has on`;
    this.#assign(name, 'n');
    return this.#lookUp(name) === 'n' ? null : `it needs ${name} off, which another option selects`;
  }

  #turnOn(name: string): string | null {
    const definitions = this.#kconfig.symbols.get(name);
    if (definitions === undefined) return this.#undefinedReason(name);
    if (this.#base.get(name) === 'n') return `this configuration has ${name} off`;
    if (name === compileTest && !this.#allowsCompileTest) return `it needs ${compileTest}`;
    if (this.#path.includes(name)) return `${name} depends on itself`;
    if (this.#path.length > limits.depth || this.#steps++ > limits.steps)
      return `${name} depends on more than is looked at`;
    this.#path = [...this.#path, name];
    const why = this.#cheapest([
      ...definitions.filter(({ prompt }) => prompt !== null).map((one) => () => this.#set(name, one)),
      ...definitions.flatMap((one) => this.#defaultsOf(name, one)),
      ...this.#selectorsOf(name),
    ]);
    this.#path = this.#path.slice(0, -1);
    return why;
  }

  #undefinedReason(name: string): string {
    const file = this.#kconfig.foreign.get(name);
    if (name === 'n') return 'it is never built';
    if (name === 'm') return 'it can only be a module';
    if (file === undefined) return `no Kconfig file defines ${name}`;
    const other = /^arch\/[^/]+/.exec(file)?.[0];
    return `${name} is for another architecture (${other ?? file})`;
  }

  /** By its prompt. */
  #set(name: string, definition: Definition): string | null {
    const why = this.#satisfy(promptOf(definition)!);
    if (why !== null) return why;
    const rival = definition.choice?.members.find(
      (member) => member !== name && (this.#base.get(member) ?? this.#added.get(member)) === 'y',
    );
    if (rival !== undefined) return `${name} excludes ${rival}, which this configuration has on`;
    this.#assign(name, 'y');
    return this.#isOn(name) ? null : `${name} stays off`;
  }

  /** By a default, for a symbol that no config file can set. */
  #defaultsOf(name: string, { prompt, depends, defaults }: Definition): (() => string | null)[] {
    if (prompt !== null) return [];
    return defaults.map(({ value, when }) => () => {
      const why = this.#satisfy(allOf([depends, when, value]));
      return why ?? (this.#isOn(name) ? null : `${name} stays off`);
    });
  }

  #selectorsOf(name: string): (() => string | null)[] {
    const all = this.#kconfig.selectors.get(name) ?? [];
    const ways = all.slice(0, limits.selectors).map(({ by, when }) => () => {
      const why = this.#satisfy(allOf([when, { kind: 'symbol', name: by }]));
      return why ?? (this.#isOn(name) ? null : `${name} stays off`);
    });
    return ways.length > 0 ? ways : [() => `nothing selects ${name}`];
  }

  #isOn(name: string): boolean {
    return this.holds({ kind: 'symbol', name });
  }

  /** Take the way that sets the fewest options. Returns null, or why the first way that has a reason fails. */
  #cheapest(ways: (() => string | null)[]): string | null {
    const before = this.#added;
    let best: { added: ConfigValues; cost: number } | null = null;
    let reason: string | null = null;
    for (const way of ways) {
      const why = way();
      const cost = costOf(this.#added) - costOf(before);
      if (why === null && (best === null || cost < best.cost)) best = { added: this.#added, cost };
      reason ??= why;
      this.#restore(before);
      if (best !== null && best.cost <= costs.option) break;
    }
    if (best === null) return reason ?? 'nothing can turn it on';
    this.#restore(best.added);
    return null;
  }
}

function costOf(added: ReadonlyMap<string, string>): number {
  return added.size * costs.option + (added.has(compileTest) ? costs.compileTest : 0);
}

function firstReason(parts: readonly Expression[], act: (part: Expression) => string | null): string | null {
  for (const part of parts) {
    const why = act(part);
    if (why !== null) return why;
  }
  return null;
}

function isConstant({ name, isText }: Operand): boolean {
  return isText || /^(?:[ymn]|-?\d+|0x[\da-fA-F]+)$/.test(name);
}
