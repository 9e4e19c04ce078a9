// SPDX-License-Identifier: MIT
// Patches that are applied before a series, as git format-patch --base and b4 name them beside base-commit.

/** `patch-id`: one patch, as `git patch-id --stable` names it. The others name a series by its mail or in b4. */
export type Prerequisite = { kind: 'patch-id' | 'message-id' | 'change-id'; value: string };

const line = /^prerequisite-(patch-id|message-id|change-id):[ \t]*<?([^\s<>]+)>?[ \t]*$/gim;

/** The prerequisites that a mail's text names, in its order: the first is applied first. */
export function prerequisitesIn(text: string): Prerequisite[] {
  return [...text.matchAll(line)].map(([, kind, value]) => {
    const known = kind!.toLowerCase() as Prerequisite['kind'];
    return { kind: known, value: known === 'patch-id' ? value!.toLowerCase() : value! };
  });
}

/** As the mail has it. */
export function namePrerequisite({ kind, value }: Prerequisite): string {
  return `prerequisite-${kind} ${value}`;
}
