// SPDX-License-Identifier: MIT
// Expressions of Kconfig, and of the conditions in kbuild's Makefiles, which become the same.

/** n, m and y. */
export type Tristate = 0 | 1 | 2;

const operators = ['=', '!=', '<', '>', '<=', '>='] as const;
type Operator = (typeof operators)[number];

/** One side of a comparison. A name that is no symbol stands for itself. */
export type Operand = { name: string; isText: boolean };

/** `unknown`: what only running a program would tell, such as $(cc-option,…). */
export type Expression =
  | { kind: 'symbol'; name: string }
  | { kind: 'compare'; left: Operand; operator: Operator; right: Operand }
  | { kind: 'not'; of: Expression }
  | { kind: 'and' | 'or'; parts: Expression[] }
  | { kind: 'unknown' };

export const always: Expression = { kind: 'symbol', name: 'y' };
export const never: Expression = { kind: 'symbol', name: 'n' };
const unknown: Expression = { kind: 'unknown' };

/** What a symbol has: y, m, n, a number, a text without quotes; null if it can't be known. */
export type LookUp = (name: string) => string | null;

const token =
  /\s*(?:(&&|\|\||!=|<=|>=|[!=<>()])|"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)'|(\$\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\))|([\w./-]+))/y;

/** Read an expression up to a comment. What can't be read is `unknown`. */
export function parseExpression(text: string): Expression {
  const tokens = tokenize(text);
  if (tokens === null) return unknown;
  let at = 0;
  const take = (operator: string): boolean => {
    if (tokens[at]?.operator !== operator) return false;
    at++;
    return true;
  };
  const atom = (): Expression | null => {
    if (take('!')) {
      const of = atom();
      return of && not(of);
    }
    if (take('(')) {
      const inner = or();
      return take(')') ? inner : null;
    }
    const left = tokens[at++];
    if (left === undefined || left.operator !== undefined) return null;
    const operator = operators.find((one) => take(one));
    if (operator !== undefined) {
      const right = tokens[at++];
      if (right === undefined || right.operator !== undefined) return null;
      if (left.isMacro || right.isMacro) return unknown;
      return { kind: 'compare', left: left.operand, operator, right: right.operand };
    }
    return left.isMacro ? unknown : { kind: 'symbol', name: left.operand.name };
  };
  const chain = (operator: '&&' | '||', next: () => Expression | null): Expression | null => {
    const parts: Expression[] = [];
    do {
      const part = next();
      if (part === null) return null;
      parts.push(part);
    } while (take(operator));
    return operator === '&&' ? allOf(parts) : anyOf(parts);
  };
  const and = () => chain('&&', atom);
  const or = (): Expression | null => chain('||', and);
  const whole = or();
  return whole === null || at < tokens.length ? unknown : whole;
}

type Token = { operator: string } | { operator?: undefined; operand: Operand; isMacro: boolean };

function tokenize(text: string): Token[] | null {
  const tokens: Token[] = [];
  token.lastIndex = 0;
  for (let end = 0; !/^\s*(?:#|$)/.test(text.slice(end)); end = token.lastIndex) {
    token.lastIndex = end;
    const found = token.exec(text);
    if (found === null) return null;
    const [, operator, double, single, macro, word] = found;
    const quoted = double ?? single;
    if (operator !== undefined) tokens.push({ operator });
    else
      tokens.push({
        operand: { name: quoted ?? word ?? '', isText: quoted !== undefined },
        isMacro: macro !== undefined || quoted?.includes('$(') === true,
      });
  }
  return tokens;
}

export function not(of: Expression): Expression {
  return of.kind === 'not' ? of.of : { kind: 'not', of };
}

/** All of these; without those that always hold. */
export function allOf(parts: readonly Expression[]): Expression {
  return join('and', parts, always);
}

/** Any of these. */
export function anyOf(parts: readonly Expression[]): Expression {
  if (parts.some((part) => isSame(part, always))) return always;
  return join('or', parts, never);
}

/** @param idle what changes nothing */
function join(kind: 'and' | 'or', parts: readonly Expression[], idle: Expression): Expression {
  const flat = parts.flatMap((part) => (part.kind === kind ? part.parts : [part]));
  const different = flat.filter(
    (part, index) => !isSame(part, idle) && flat.findIndex((other) => isSame(other, part)) === index,
  );
  if (different.length === 0) return idle;
  return different.length === 1 ? different[0]! : { kind, parts: different };
}

function isSame(one: Expression, other: Expression): boolean {
  return one === other || (one.kind === other.kind && asText(one) === asText(other));
}

/** As Kconfig writes it. */
export function asText(expression: Expression): string {
  switch (expression.kind) {
    case 'symbol':
      return expression.name;
    case 'compare':
      return `${operandText(expression.left)}${expression.operator}${operandText(expression.right)}`;
    case 'not':
      return `!${grouped(expression.of)}`;
    case 'unknown':
      return '$(…)';
    default:
      return expression.parts.map(grouped).join(expression.kind === 'and' ? ' && ' : ' || ');
  }
}

function grouped(expression: Expression): string {
  const text = asText(expression);
  return expression.kind === 'and' || expression.kind === 'or' ? `(${text})` : text;
}

function operandText({ name, isText }: Operand): string {
  return isText ? `"${name}"` : name;
}

/** The symbols that an expression names. */
export function symbolsOf(expression: Expression): string[] {
  switch (expression.kind) {
    case 'symbol':
      return isLiteral(expression.name) ? [] : [expression.name];
    case 'compare':
      return [expression.left, expression.right]
        .filter(({ name, isText }) => !isText && !isLiteral(name))
        .map(({ name }) => name);
    case 'not':
      return symbolsOf(expression.of);
    case 'unknown':
      return [];
    default:
      return expression.parts.flatMap(symbolsOf);
  }
}

function isLiteral(name: string): boolean {
  return /^(?:[ymn]|-?\d+|0x[\da-fA-F]+)$/.test(name);
}

/** y, m or n; null if it depends on what can't be known. */
export function evaluate(expression: Expression, lookUp: LookUp): Tristate | null {
  switch (expression.kind) {
    case 'symbol':
      return asTristate(isLiteral(expression.name) ? expression.name : lookUp(expression.name));
    case 'compare':
      return compare(expression, lookUp);
    case 'not': {
      const value = evaluate(expression.of, lookUp);
      return value === null ? null : ((2 - value) as Tristate);
    }
    case 'and':
      return expression.parts.reduce<Tristate | null>(
        (sum, part) => (sum === 0 ? 0 : least(sum, evaluate(part, lookUp))),
        2,
      );
    case 'or':
      return expression.parts.reduce<Tristate | null>(
        (sum, part) => (sum === 2 ? 2 : most(sum, evaluate(part, lookUp))),
        0,
      );
    case 'unknown':
      return null;
  }
}

/** @param value a symbol's; a number or a text is no. */
export function asTristate(value: string | null): Tristate | null {
  return value === null ? null : value === 'y' ? 2 : value === 'm' ? 1 : 0;
}

/** The lesser of two, as && has it. */
export function least(a: Tristate | null, b: Tristate | null): Tristate | null {
  if (a === 0 || b === 0) return 0;
  return a === null || b === null ? null : (Math.min(a, b) as Tristate);
}

/** The greater of two, as || has it. */
export function most(a: Tristate | null, b: Tristate | null): Tristate | null {
  if (a === 2 || b === 2) return 2;
  return a === null || b === null ? null : (Math.max(a, b) as Tristate);
}

function compare(
  { left, operator, right }: Extract<Expression, { kind: 'compare' }>,
  lookUp: LookUp,
): Tristate | null {
  const [a, b] = [left, right].map(({ name, isText }) => (isText || isLiteral(name) ? name : lookUp(name)));
  if (a == null || b == null) return null;
  const [x, y] = [Number(a), Number(b)];
  // Kconfig compares what is no number as text.
  const order =
    Number.isNaN(x) || Number.isNaN(y) || a === '' || b === '' ? (a < b ? -1 : Number(a > b)) : x - y;
  const holds = {
    '=': order === 0,
    '!=': order !== 0,
    '<': order < 0,
    '>': order > 0,
    '<=': order <= 0,
    '>=': order >= 0,
  };
  return holds[operator] ? 2 : 0;
}
