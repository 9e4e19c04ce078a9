// SPDX-License-Identifier: MIT
// The text of a .config, or of a fragment of one.

/** Symbol (without CONFIG_) to value as .config writes it: y, m, n, a number, or a quoted string. */
export type ConfigValues = Map<string, string>;

/** Of a symbol that is set twice, the last value counts, as for Kconfig. */
export function parseConfig(text: string): ConfigValues {
  const values: ConfigValues = new Map();
  for (const line of text.split('\n')) {
    const set = /^CONFIG_(\w+)=(.*)$/.exec(line.trim());
    const unset = /^# CONFIG_(\w+) is not set$/.exec(line.trim());
    if (set) values.set(set[1]!, set[2]!);
    else if (unset) values.set(unset[1]!, 'n');
  }
  return values;
}
