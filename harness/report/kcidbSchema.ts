// SPDX-License-Identifier: MIT
// What KernelCI's database takes: version 5.3 of its schema (kcidb-io), as far as Kiln has something to say.
// No field is null: what is not known is left out.
import { z } from 'zod';

/** Text without NUL. */
const text = z.string().regex(/^[^\0]*$/);
/** The system that says it, a colon, and what is unique among its objects of this type. */
const id = z.string().regex(/^[a-z0-9_]+:[^\0]*$/);
const origin = z.string().regex(/^[a-z0-9_]+$/);
const excerpt = text.max(16_384);
const seconds = z.number();
const misc = z.record(z.string(), z.unknown());

/** Ordered from the worst. `MISS`: the harness failed; `ERROR`: the test itself did. */
export const kcidbStatus = z.enum(['FAIL', 'ERROR', 'MISS', 'PASS', 'DONE', 'SKIP']);

/** Source code: a base, and the patches on it. */
const checkout = z.strictObject({
  id,
  origin,
  /** Of the base. */
  git_commit_hash: z
    .string()
    .regex(/^[0-9a-f]{40}$/)
    .optional(),
  /** Of SHA-256 sums of patches; empty if there are none. */
  patchset_hash: z
    .string()
    .regex(/^(?:[0-9a-f]{64})?$/)
    .optional(),
  message_id: z
    .string()
    .regex(/^[^@]+@[^@]+$/)
    .optional(),
  comment: text.optional(),
  start_time: z.iso.datetime({ offset: true }).optional(),
  /** Whether the patches apply. */
  valid: z.boolean().optional(),
  misc: misc.optional(),
});

const build = z.strictObject({
  checkout_id: id,
  id,
  origin,
  comment: text.optional(),
  duration: seconds.optional(),
  architecture: z
    .string()
    .regex(/^[a-z0-9_]*$/)
    .optional(),
  compiler: text.optional(),
  config_name: text.optional(),
  log_excerpt: excerpt.optional(),
  status: kcidbStatus.optional(),
  misc: misc.optional(),
});

const test = z.strictObject({
  build_id: id,
  id,
  origin,
  environment: z.strictObject({ comment: text.optional(), misc: misc.optional() }).optional(),
  /** Names joined with dots. */
  path: z
    .string()
    .regex(/^(?:[a-zA-Z0-9_-]+(?:\.[a-zA-Z0-9_-]+)*)?$/)
    .optional(),
  comment: text.optional(),
  log_excerpt: excerpt.optional(),
  status: kcidbStatus.optional(),
  duration: seconds.optional(),
  misc: misc.optional(),
});

/** One submission. */
export const kcidbSchema = z.strictObject({
  version: z.strictObject({ major: z.literal(5), minor: z.int().min(0).max(3) }),
  checkouts: z.array(checkout),
  builds: z.array(build),
  tests: z.array(test),
});

export type Kcidb = z.infer<typeof kcidbSchema>;
export type KcidbStatus = z.infer<typeof kcidbStatus>;
