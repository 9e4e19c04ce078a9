// SPDX-License-Identifier: MIT
// Under which options lines of a C file are compiled: the #if blocks around them, as far as they name options.
import {
  allOf,
  always,
  anyOf,
  type Expression,
  never,
  not,
  type Operand,
  parseExpression,
} from './expression.ts';

/** `before`: the conditions of the branches before this one. */
type Block = { now: Expression; before: Expression[] };

/**
 * The condition of each line, the first at index 0. What is no option, such as a macro of the file, is `unknown` in it.
 */
export function guardsOf(text: string): Expression[] {
  const blocks: Block[] = [];
  const guards: Expression[] = [];
  let directive: string | null = null;
  const lines = text.split('\n');
  for (const [index, line] of lines.entries()) {
    const start = /^\s*#\s*(?:if|ifdef|ifndef|elif|elifdef|elifndef|else|endif)\b/.test(line);
    if (start || directive !== null) {
      directive = `${directive ?? ''}${line.replace(/\\$/, ' ')}`;
      if (!line.endsWith('\\')) {
        applyDirective(directive, blocks, lines[index + 1] ?? '');
        directive = null;
      }
    }
    guards.push(allOf(blocks.flatMap(({ now, before }) => [...before.map(not), now])));
  }
  return guards;
}

function applyDirective(directive: string, blocks: Block[], next: string): void {
  const [, keyword, rest] = /^\s*#\s*(\w+)\s*(.*)$/s.exec(directive) ?? [];
  const block = blocks.at(-1);
  if (keyword === 'endif') blocks.pop();
  else if (keyword === 'else' || keyword?.startsWith('elif')) {
    if (block === undefined) return;
    block.before.push(block.now);
    block.now = keyword === 'else' ? always : conditionOf(keyword.replace('el', ''), rest!);
  } else {
    // #ifndef X and #define X: the header is read once.
    const isOnce = keyword === 'ifndef' && new RegExp(`^\\s*#\\s*define\\s+${rest!.trim()}\\b`).test(next);
    blocks.push({ now: isOnce ? always : conditionOf(keyword!, rest!), before: [] });
  }
}

/** Macros that are the same in all code that is linked into a kernel. */
const macros: Record<string, Expression> = {
  __KERNEL__: always,
  __x86_64__: always,
  __ASSEMBLY__: never,
  __ASSEMBLER__: never,
  __CHECKER__: never,
  __GENKSYMS__: never,
  MODULE: never,
};

function conditionOf(keyword: string, rest: string): Expression {
  const text = rest.replace(/\/\*.*?\*\//g, ' ').replace(/\/[/*].*$/s, '');
  if (keyword === 'ifdef') return ofMacro(text.trim());
  if (keyword === 'ifndef') return not(ofMacro(text.trim()));
  const readable = text
    .replace(/\b(?:IS_ENABLED|IS_REACHABLE|IS_BUILTIN|defined)\s*\(\s*(\w+)\s*\)/g, ' $1 ')
    .replace(/\bdefined\s+(\w+)/g, ' $1 ')
    // Macros with arguments.
    .replace(/\b[a-zA-Z_]\w*\s*\((?:[^()]|\([^()]*\))*\)/g, ' unknown ')
    .replaceAll('==', '=');
  return ofOptions(parseExpression(readable));
}

/** Names of macros become symbols if they are options, else unknown. */
function ofOptions(expression: Expression): Expression {
  switch (expression.kind) {
    case 'symbol':
      return expression.name === '0' ? never : expression.name === '1' ? always : ofMacro(expression.name);
    case 'not':
      return not(ofOptions(expression.of));
    case 'and':
      return allOf(expression.parts.map(ofOptions));
    case 'or':
      return anyOf(expression.parts.map(ofOptions));
    case 'compare': {
      const [left, right] = [expression.left, expression.right].map(({ name, isText }) => ({
        name: name.replace(/^CONFIG_/, ''),
        isText,
        isKnown: /^(?:CONFIG_|\d)/.test(name),
      })) as [Operand & { isKnown: boolean }, Operand & { isKnown: boolean }];
      return left.isKnown && right.isKnown ? { ...expression, left, right } : unknown;
    }
    case 'unknown':
      return unknown;
  }
}

const unknown: Expression = { kind: 'unknown' };

function ofMacro(name: string): Expression {
  const option = /^CONFIG_(\w+)$/.exec(name)?.[1];
  if (option === undefined) return macros[name] ?? unknown;
  return option.endsWith('_MODULE') ? never : { kind: 'symbol', name: option };
}
