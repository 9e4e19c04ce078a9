// SPDX-License-Identifier: MIT
// Pure: the compiler's and linker's flags in a suite's Makefile. Not by make: that would run what the file says.

/** What a suite's Makefile adds to the commands that build one program. */
export type Flags = { compile: string[]; link: string[]; libraries: string[] };

export type Makefile = {
  flagsFor: (program: string) => Flags;
  /** `VARIABLE: word` for each word that Kiln can't honour. */
  ignored: string[];
};

/** Reads plain assignments of CFLAGS, CPPFLAGS, LDFLAGS and LDLIBS, for the whole suite or for one program. */
export function readMakefile(text: string): Makefile {
  const variables = new Map(Object.entries(ofLibMk));
  const assignments: Assignment[] = [];
  for (const { line, depends } of logicalLines(text)) {
    const found = assignmentPattern.exec(line);
    if (!found) continue;
    const [, targets, name = '', operator, value = ''] = found;
    if (isFlags(name))
      assignments.push({ name, targets: programsOf(targets), operator, value: value, depends });
    else if (!targets && !Object.hasOwn(ofLibMk, name)) {
      // What a condition decides is left as a reference, which is then ignored.
      const before = operator === '+' ? `${variables.get(name) ?? ''} ` : '';
      variables.set(name, depends ? `$(${name})` : before + value);
    }
  }
  const ignored: string[] = [];
  const honoured = assignments.map((one) => ({ ...one, words: honour(one, variables, ignored) }));
  const wordsFor = (name: FlagVariable, program: string) =>
    honoured
      .filter((one) => one.name === name && !one.depends && (one.targets?.includes(program) ?? true))
      .reduce((words: string[], one) => apply(words, one), []);
  return {
    flagsFor: (program) => ({
      compile: [...wordsFor('CFLAGS', program), ...wordsFor('CPPFLAGS', program)],
      link: wordsFor('LDFLAGS', program),
      libraries: wordsFor('LDLIBS', program),
    }),
    ignored: [...new Set(ignored)],
  };
}

type FlagVariable = 'CFLAGS' | 'CPPFLAGS' | 'LDFLAGS' | 'LDLIBS';

/** `targets`: the programs it is for; null: all. `depends`: it stands in a conditional. */
type Assignment = {
  name: FlagVariable;
  targets: string[] | null;
  operator: string | undefined;
  value: string;
  depends: boolean;
};

function isFlags(name: string): name is FlagVariable {
  return ['CFLAGS', 'CPPFLAGS', 'LDFLAGS', 'LDLIBS'].includes(name);
}

/** Variables that lib.mk or the caller sets. Kiln adds the headers itself. */
const ofLibMk: Record<string, string> = {
  KHDR_INCLUDES: '',
  TOOLS_INCLUDES: '',
  KILN_CFLAGS: '',
  USERCFLAGS: '',
  USERLDFLAGS: '',
  EXTRA_CFLAGS: '',
  OUTPUT: '.',
  selfdir: '..',
  top_srcdir: '../../../..',
};

const assignmentPattern =
  /^(?:([^=:#]+?)\s*:(?!:?=)\s*)?(?:(?:override|export|private)\s+)*([A-Za-z_]\w*)\s*(\+|::?|\?)?=\s*(.*)$/;

/** Lines with their continuations, without comments and recipes. */
function* logicalLines(text: string): Generator<{ line: string; depends: boolean }> {
  let depth = 0;
  for (const raw of text.replaceAll(/\s*\\\r?\n\s*/g, ' ').split('\n')) {
    if (raw.startsWith('\t')) continue;
    const line = raw.replace(/(^|[^\\])#.*$/, '$1').trim();
    if (/^(?:ifn?eq|ifn?def|define)\b/.test(line)) depth++;
    else if (/^(?:endif|endef)\b/.test(line)) depth = Math.max(0, depth - 1);
    else if (line !== '') yield { line, depends: depth > 0 };
  }
}

/** `$(OUTPUT)/a b` → a and b. */
function programsOf(targets: string | undefined): string[] | null {
  if (targets === undefined) return null;
  return targets.split(/\s+/).map((target) => target.replace(/^(?:\$[({]OUTPUT[)}]|\.)\//, ''));
}

/** The words that can be honoured. Adds the others to `ignored`. */
function honour(
  { name, value, depends }: Assignment,
  variables: Map<string, string>,
  ignored: string[],
): string[] {
  const condition = depends ? ' (it depends on a condition)' : '';
  const words: string[] = [];
  let carriesOn = false;
  for (const word of splitWords(value)) {
    const expanded = splitWords(expand(word, name, variables)).map(withinSelftests);
    const isFit =
      !depends &&
      expanded.every(
        (one) =>
          one === self ||
          one.replace(/^-(?:I|isystem)/, '') === treeRoot ||
          ((carriesOn ? !leadsOut.test(one) : !unfit.test(one)) && !/[$"'`\\]/.test(one)),
      );
    if (isFit) words.push(...expanded);
    else ignored.push(`${name}: ${word}${condition}`);
    carriesOn = isFit && /^-(?:I|L|isystem|include|idirafter|iquote|D|U|x)$/.test(expanded.at(-1) ?? '');
  }
  return words;
}

/** Words are separated by white space that is in no reference. */
function splitWords(value: string): string[] {
  return value.match(/(?:\$\([^()]*(?:\([^()]*\)[^()]*)*\)|\$\{[^}]*\}|\S)+/g) ?? [];
}

/** Replaces references to plain variables. One to the variable itself stands for what it had before. */
function expand(word: string, name: string, variables: Map<string, string>, depth = 0): string {
  return word.replace(/\$[({]([\w.-]+)[)}]/g, (reference, variable: string) => {
    if (variable === name) return self;
    if (isFlags(variable) || variables.get(variable) === reference) return reference;
    return depth > 8 ? '' : expand(variables.get(variable) ?? '', name, variables, depth + 1);
  });
}

const self = '$<self>';

/**
 * A path to the directory of selftests from the tree's root is the one beside the suite; for the root itself there is a
 * directory that has some of its headers.
 */
function withinSelftests(word: string): string {
  return word
    .replace(/(?:\.\.\/){4}tools\/testing\/selftests(?=\/|$)/, '..')
    .replace(/^(-I|-isystem|)(?:\.\.\/){3}\.\.\/?$/, `$1${treeRoot}`);
}

/** From the suite's directory: the root of the tested tree, as far as it is there. */
export const treeRoot = '../../tree';

/** What a static program can't have, or the runtime that is linked to it, or what leads out of the selftests. */
const unfit =
  /^-(?:fsanitize|nostd|nostartfiles|nolibc|ffreestanding|m(?:32|x32)$|Werror|shared|pie$|static-pie|fplugin|specs|fprofile|pg$|B|o$)|^[^-]|\.\.\/\.\.|^-(?:I|L|isystem)\//;
const leadsOut = /\.\.\/\.\.|^\//;

function apply(words: string[], { operator, words: added }: Assignment & { words: string[] }): string[] {
  if (operator === '+') return [...words, ...added];
  if (operator === '?' && words.length > 0) return words;
  return added.flatMap((word) => (word === self ? words : [word]));
}
