// SPDX-License-Identifier: MIT

/**
 * Returns a function that makes each name unique among those that it was given before, as `name (2)`. Names that end
 * like this already get a second number.
 */
export function uniqueNames(): (name: string) => string {
  const taken = new Set<string>();
  const next = new Map<string, number>();
  return (name) => {
    let result = name;
    let number = next.get(name) ?? 2;
    while (taken.has(result)) result = `${name} (${number++})`;
    next.set(name, number);
    taken.add(result);
    return result;
  };
}
