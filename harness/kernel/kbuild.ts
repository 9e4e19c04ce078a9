// SPDX-License-Identifier: MIT
// Which options build an object, by the Makefiles of the tree, from its top directory down.
import { posix } from 'node:path';
import * as arch from '../guest/arch/x86_64.ts';
import { allOf, always, anyOf, type Expression } from './expression.ts';
import { inTree, Makefile, type Word } from './makefile.ts';

/** When an object is built, within its directory's Makefile; of a directory, within its parent's. */
type Rule = { dir: string; when: Expression };

export type Kbuild = {
  /** The options that build an object (`fs/open.o`); null if no Makefile of this architecture names it. */
  conditionOf: (object: string) => Expression | null;
  /** The directories that kbuild goes through. */
  dirs: ReadonlySet<string>;
  /** All objects that some Makefile of this architecture names. */
  objects: readonly string[];
};

/** What kbuild starts from in a directory. */
const goals = ['obj-y', 'obj-m', 'lib-y', 'lib-m', 'extra-y', 'always-y', 'subdir-y', 'subdir-m'];
/** And in the tree itself, for which the architecture's Makefile adds some. */
const topGoals = ['init', 'core', 'libs', 'drivers', 'net', 'virt', 'head'].map((name) => `${name}-y`);

/** @param files the texts of all Makefiles of a tree, by path */
export function readKbuild(files: ReadonlyMap<string, string>): Kbuild {
  const objects = new Map<string, Rule[]>();
  const parents = new Map<string, Rule[]>();
  const done = new Set<string>();
  const enter = (top: string) => {
    const waiting = [top];
    for (let dir = waiting.shift(); dir !== undefined; dir = waiting.shift()) {
      if (done.has(dir)) continue;
      done.add(dir);
      for (const { path, when } of wordsOf(dir, files)) {
        const where = path.endsWith('/') ? parents : objects;
        const name = path.replace(/\/$/, '');
        where.set(name, [...(where.get(name) ?? []), { dir, when }]);
        if (where === parents) waiting.push(name);
      }
    }
  };
  enter('');
  for (const dir of arch.imageDirectories.filter((one) => !done.has(one))) {
    parents.set(dir, [{ dir: '', when: always }]);
    enter(dir);
  }
  const known = new Map<string, Expression>([['', always]]);
  const ofDirectory = (dir: string): Expression => {
    const found = known.get(dir);
    if (found !== undefined) return found;
    // For one that names itself, while it is computed.
    known.set(dir, always);
    const condition = conditionBy(parents.get(dir) ?? []);
    known.set(dir, condition);
    return condition;
  };
  const conditionBy = (rules: readonly Rule[]) =>
    anyOf(rules.map(({ dir, when }) => allOf([ofDirectory(dir), when])));
  const conditionOf = (object: string) => {
    const rules = objects.get(object);
    return rules === undefined ? null : conditionBy(rules);
  };
  return { conditionOf, dirs: done, objects: [...objects.keys()] };
}

/** The objects and directories (with a `/`) that a directory's Makefile builds. */
function wordsOf(dir: string, files: ReadonlyMap<string, string>): { path: string; when: Expression }[] {
  const makefiles = makefilesOf(dir, files);
  return makefiles.flatMap((path) => {
    const makefile = new Makefile(files, dir, path);
    const seen = new Set<string>();
    const started = [...goals, ...(dir === '' ? topGoals : [])].filter((name) => makefile.names.has(name));
    const found = started.flatMap((goal) => walk(wordsOfGoal(goal, makefile), [goal], makefile, seen));
    // Programs of their own, such as the boot loader's part, are linked from other variables.
    const rest = [...makefile.names].filter(
      (name) => /-(?:y|m|objs)$/.test(name) && !seen.has(name) && dir !== '',
    );
    const others = rest.flatMap((name) => makefile.words(name).filter(({ text }) => text.endsWith('.o')));
    const named = new Set(found.map(({ text }) => text));
    return [...found, ...others.filter(({ text }) => !named.has(text))].map(({ text, when }) => ({
      path: text.endsWith('/') ? `${inTree(text, dir).replace(/\/$/, '')}/` : inTree(text, dir),
      when,
    }));
  });
}

/** What obj-m names is a module, whatever the options are. */
function wordsOfGoal(goal: string, makefile: Makefile): Word[] {
  const words = makefile.words(goal);
  if (!goal.endsWith('-m')) return words;
  return words.map((word) => ({ ...word, when: allOf([{ kind: 'symbol', name: 'm' }, word.when]) }));
}

/** kbuild reads Kbuild where there is one, but make enters the tree by Makefile. */
function makefilesOf(dir: string, files: ReadonlyMap<string, string>): string[] {
  const paths = ['Kbuild', 'Makefile'].map((name) => posix.join(dir, name)).filter((path) => files.has(path));
  return dir === '' ? paths : paths.slice(0, 1);
}

/**
 * Words of a goal, and the parts of the objects among them that are composed.
 * @param path variables, from the goal to that of the words
 */
function walk(words: readonly Word[], path: string[], makefile: Makefile, seen: Set<string>): Word[] {
  const variable = path.at(-1)!;
  seen.add(variable);
  return words.flatMap((word) => {
    if (word.text.endsWith('/')) return [word];
    if (variable.startsWith('subdir-')) return [{ ...word, text: `${word.text}/` }];
    if (!word.text.endsWith('.o')) return [];
    const stem = word.text.slice(0, -2);
    const parts = ['y', 'm', 'objs'].map((end) => `${stem}-${end}`);
    const inner = parts
      .filter((name) => makefile.names.has(name) && !path.includes(name))
      .flatMap((name) =>
        walk(makefile.words(name), [...path, name], makefile, seen)
          .filter(({ text }) => text !== word.text)
          .map((part) => ({ ...part, when: allOf([word.when, part.when]) })),
      );
    return [word, ...inner];
  });
}
