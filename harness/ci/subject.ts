// SPDX-License-Identifier: MIT

/** A subject without what stands in brackets before it. */
export function withoutTags(subject: string): string {
  return subject.replace(/^(?:\[[^\]]*\]\s*)+/, '').trim();
}
