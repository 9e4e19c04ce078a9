// SPDX-License-Identifier: MIT
import { z } from 'zod';

/** Reads results.json: its parsed JSON, or its text. Unknown fields are ignored; throws ResultsError. */
export function readResults(input: unknown): Results {
  const json = typeof input === 'string' ? parseJson(input) : input;
  const version = (json as { schema?: unknown } | null)?.schema;
  // Said before anything else: a later version would otherwise fail with a list of puzzling field errors.
  if (version !== RESULTS_VERSION) {
    throw new ResultsError(
      'results-version',
      `results.json has schema version ${JSON.stringify(version)}; this Kiln reads version ${RESULTS_VERSION} only`,
    );
  }
  const read = resultsSchema.safeParse(json);
  if (!read.success) {
    throw new ResultsError(
      'results-invalid',
      `results.json is not valid:\n${z.prettifyError(read.error)}`,
      read.error,
    );
  }
  return read.data;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new ResultsError('results-invalid', 'results.json is not JSON', cause);
  }
}

/** results.json can't be read. `results-version`: written by another version; `results-invalid`: broken. */
export class ResultsError extends Error {
  readonly code: 'results-version' | 'results-invalid';

  constructor(code: ResultsError['code'], message: string, cause?: unknown) {
    super(message, { cause });
    this.name = 'ResultsError';
    this.code = code;
  }
}

/** The version of results.json that this file describes. Raised when a reader of the old form would go wrong. */
export const RESULTS_VERSION = 1;

/** A KTAP case's verdict. `timeout`: the KTAP directive TIMEOUT, a limit inside the test program. */
export const caseVerdictSchema = z.enum(['pass', 'fail', 'skip', 'xfail', 'timeout']);

/** A test's verdict. `crash`: the kernel or the guest died; `error`: Kiln's own trouble, never the test's fault. */
export const verdictSchema = z.enum(['pass', 'fail', 'skip', 'xfail', 'timeout', 'crash', 'error']);

/** What kind of complaint a splat is; harness/splat/find.ts tells them apart. */
export const splatKindSchema = z.enum([
  'bug',
  'warning',
  'oops',
  'gpf',
  'kasan',
  'kfence',
  'kcsan',
  'ubsan',
  'kmsan',
  'lockdep',
  'rcu-stall',
  'soft-lockup',
  'hard-lockup',
  'hung-task',
  'sleep-in-atomic',
  'list-corruption',
  'refcount',
  'kmemleak',
  'bad-page',
  'rss-counter',
  'oom',
  'panic',
  'taint',
  'other',
]);

const count = z.int().nonnegative();
/** Milliseconds of the host's clock, unless said otherwise. */
const milliseconds = z.number().nonnegative();

/** How many of each verdict; `total` is their sum. */
export const countsSchema = z.object({
  pass: count,
  fail: count,
  skip: count,
  xfail: count,
  timeout: count,
  crash: count,
  error: count,
  total: count,
});

/** One KTAP result, flattened. */
export const caseSchema = z.object({
  /** Names of nested cases are joined with ` > `. Raw, as the guest printed it. */
  name: z.string(),
  verdict: caseVerdictSchema,
  /** The directive's text and the diagnostics printed before the result, lines joined with `\n`; may be empty. */
  detail: z.string(),
});

/** A point of a splat's stacks in the kernel's code. */
export const frameSchema = z.object({
  /** As the log has it: `function+offset/size`. */
  at: z.string(),
  /**
   * Its source line, after those of the functions that are inlined there, the innermost first. Empty if it is not
   * known: without debug information in the kernel (docs/design.md), in a module, in assembly.
   */
  places: z.array(
    z.object({
      function: z.string(),
      /** As the kernel's tree names it. */
      file: z.string(),
      line: count,
      /** File name of the patch of the series that changed this line last; null if none did. */
      patch: z.string().nullable(),
    }),
  ),
});

/** One complaint of the kernel's in the log. */
export const splatSchema = z.object({
  /** The same for the same bug in every run: no addresses, pids, offsets, CPU numbers or times. */
  title: z.string(),
  kind: splatKindSchema,
  /** When in the guest's life it was logged. */
  phase: z.enum(['boot', 'test', 'shutdown']),
  /** The command name of the task it happened in, if the log says so. */
  task: z.string().nullable(),
  /** It begins, but its end or its stack is missing: the guest died or records were lost. */
  torn: z.boolean(),
  /** The log's lines, without time and level. */
  lines: z.array(z.string()),
  /** What the kernel panicked with because of this splat. */
  panic: z.string().nullable().optional(),
  /** Of all its stacks, each frame once, in the log's order, without uncertain ones. Absent if none was decoded. */
  frames: z.array(frameSchema).optional(),
  /** The test's settings declare it (expect_splat=), so that it does not fail the test. */
  expected: z.boolean().optional(),
});

/** What the guest was and where its evidence is. Paths are relative to the run's directory, with `/`. */
export const guestSchema = z.object({
  /** QEMU's argv, the program first. */
  qemu: z.array(z.string()),
  /** Whether it was booted for this test, or forked from a frozen guest. */
  origin: z.enum(['boot', 'fork']).optional(),
  /**
   * From QEMU's start, or from taking one that was started ahead, to the agent's first answer; 0 in a guest that
   * has run another test before.
   */
  start_ms: milliseconds.optional(),
  /** What came over the serial console. */
  console: z.string(),
  /** The kernel log in the form of /dev/kmsg. */
  kmsg: z.string(),
  /** The test program's stdout and stderr. */
  output: z.string(),
  /** Of a guest that stopped answering: what its processors and tasks did. */
  hang: z.string().optional(),
  /** MiB. */
  memory: z.int().positive(),
  cpus: z.int().positive(),
  /** The kernel's command line. */
  cmdline: z.string(),
});

/**
 * What became of a test in time. `slow`: it took more than half its limit. `timed-out`: it was not done at its limit,
 * and was ended. `hung`: its guest stopped answering. `dead`: its guest went away, as a kernel that dies does.
 */
export const tempoSchema = z.enum(['slow', 'timed-out', 'hung', 'dead']);

/** What a test's limit was, and how much of the host its guest had meanwhile. */
export const timeSchema = z.object({
  /** What it was given: the limit of its settings, `scale` times. Time that the host kept from it does not count. */
  limit_ms: milliseconds,
  /** How much slower than usual this guest is by itself, as its boot showed; 1 with `--timeout`. */
  scale: z.number().min(1),
  /** From the order to run it to the last that was heard of it. */
  elapsed_ms: milliseconds,
  /** QEMU wanted a processor and had none. */
  lost_ms: milliseconds,
  /** QEMU was stopped by a signal. */
  stopped_ms: milliseconds,
});

/** What came of a test on one of the kernels that it went through. */
export const generationSchema = z.object({
  /** 0 is the kernel that was booted. */
  generation: count,
  /** `uname -r`; null if it did not come up. */
  release: z.string().nullable(),
  /** How it came: from the guest's start, by kexec, by a panic into the crash kernel, by a reset of the machine. */
  by: z.enum(['boot', 'kexec', 'panic', 'reboot']),
  verdict: verdictSchema,
  detail: z.string(),
  /** From the order to leave the kernel before to this one's agent's first word, host time; null if nobody ordered it. */
  blackout_ms: milliseconds.nullable(),
  /** CLOCK_BOOTTIME at that word, guest time; null if it never came. */
  boot_ms: milliseconds.nullable(),
  duration_ms: milliseconds,
  console: z.string(),
  kmsg: z.string(),
  output: z.string(),
});

/** One test program run in one guest. */
export const testSchema = z.object({
  suite: z.string(),
  test: z.string(),
  /** The `id` of the job it belongs to. */
  job: z.string(),
  verdict: verdictSchema,
  /** One line of why, for people; empty for an ordinary pass. */
  detail: z.string(),
  tempo: tempoSchema.optional(),
  /** Of a test in a guest; of several kernels or cases, that of the one that decides. */
  time: timeSchema.optional(),
  cases: z.array(caseSchema),
  splats: z.array(splatSchema),
  /** What was wrong with the test's output or its run, one sentence each (see KtapProblem). */
  problems: z.array(z.string()),
  /** From the start of the program to its end, guest time. */
  duration_ms: milliseconds,
  /** CLOCK_BOOTTIME when the agent said hello (in a fork's template, for a fork), guest time; null if it never did. */
  boot_ms: milliseconds.nullable(),
  /** null if no guest was started. */
  guest: guestSchema.nullable(),
  /** Files the test left, relative to the run's directory. */
  artifacts: z.array(z.string()),
  /** A command line that runs this test again. */
  reproduce: z.string().nullable(),
  /** Of a test that went through several kernels: each of them, in their order. */
  generations: z.array(generationSchema).optional(),
});

/** One series on one base with one config: one build. */
export const jobSchema = z.object({
  id: z.string(),
  base: z.object({
    /** As it was asked for: `debian:linux-source-6.12`, `tar:…`, `git:DIR#REF`. */
    source: z.string(),
    version: z.string().nullable(),
    /** Of the source archive, hex. */
    sha256: z.string().nullable(),
    /** Of the unpatched tree in the base's git repository, hex. */
    commit: z.string().nullable(),
  }),
  series: z.array(
    z.object({
      name: z.string(),
      source: z.string(),
      patches: z.array(
        z.object({
          file: z.string(),
          subject: z.string(),
          /** In the patched tree, hex; null if it was not applied. */
          commit: z.string().nullable(),
        }),
      ),
    }),
  ),
  /** Names of the configuration fragments, in the order in which they were merged. */
  config: z.array(z.string()),
  /** What runs the guests' code, and why that one. */
  accelerator: z.object({
    name: z.enum(['kvm', 'tcg']),
    /** QEMU's CPU model. */
    cpu: z.string().optional(),
    reason: z.string(),
  }),
  /** Whether what the series and the tests bring was held in a sandbox at build time, and why (not). */
  sandbox: z.object({ on: z.boolean(), reason: z.string() }).optional(),
  /** null if none was built. */
  kernel: z
    .object({
      /** `uname -r`. */
      release: z.string(),
      key: z.string(),
      /** Compiler warnings; `patch` is the file name of the patch that added the line, if one did. */
      warnings: z.array(
        z.object({ file: z.string(), line: count, text: z.string(), patch: z.string().nullable() }),
      ),
    })
    .nullable(),
  /** Content keys of the stages' outputs, hex; null where the job did not get that far. */
  keys: z.object({
    tree: z.string().nullable(),
    kernel: z.string().nullable(),
    image: z.string().nullable(),
  }),
  /** In the order in which they ran. `cached`: the output was there already. */
  stages: z.array(z.object({ name: z.string(), duration_ms: milliseconds, cached: z.boolean() })),
  /** Suites that were not run, and why. */
  left_out: z.array(z.object({ suite: z.string(), reason: z.string() })),
  /** Warnings: what was done otherwise than asked for or expected. */
  notes: z.array(z.string()).optional(),
  /** What ended the job early. Fields beyond these two depend on the code and are kept. */
  error: z.looseObject({ code: z.string(), message: z.string() }).nullable(),
});

/** What came of `kiln repeat`: one test, run many times. Paths are relative to the run's directory. */
export const repeatSchema = z.object({
  /** `suite/test`. */
  test: z.string(),
  /** How often it was to be run. */
  asked: z.int().positive(),
  /** Counts over the runs that came to an end. */
  verdicts: countsSchema,
  /** Runs that failed, timed out or crashed, of those that were neither skipped nor an infrastructure error. */
  failed: count,
  of: count,
  /** `failed / of`, and its 95 % confidence interval (Wilson score); from 0 to 1. null if `of` is 0. */
  rate: z.object({ estimate: z.number(), low: z.number(), high: z.number() }).nullable(),
  /** Why runs ended as they did, the most frequent first, at most 10; `logs` of the first, if they were kept. */
  reasons: z.array(
    z.object({
      verdict: verdictSchema,
      detail: z.string(),
      count,
      logs: z.string().nullable(),
    }),
  ),
  /** Runs with a reason that is not among `reasons`. */
  other_reasons: count,
  /** The failure that was seen first; `run` counts from 1. */
  first_failure: z
    .object({ run: count, verdict: verdictSchema, detail: z.string(), logs: z.string().nullable() })
    .nullable(),
  /**
   * Why fewer were run than asked: at the first failure, because there was nothing to fork from, or after too many
   * infrastructure errors in a row. null also if the job's `error` says why.
   */
  stopped: z.enum(['failed', 'no-boot', 'errors']).nullable(),
  /** A command line that does this again. */
  again: z.string(),
});

/** results.json, schema version 1: everything one call of Kiln did. */
export const resultsSchema = z.object({
  schema: z.literal(RESULTS_VERSION),
  /** Kiln's own version. */
  kiln: z.string(),
  /** The run's id, also the name of its directory. */
  id: z.string(),
  /** When the run began, ISO 8601 with a zone. */
  started: z.iso.datetime({ offset: true }),
  duration_ms: milliseconds,
  exit_code: z.int().min(0).max(255),
  /** argv as it was given, the program first. */
  command: z.array(z.string()),
  /** Counts over `tests`, and in `cases` the same over their cases. */
  summary: countsSchema.extend({ cases: countsSchema }),
  jobs: z.array(jobSchema),
  /** Of `kiln repeat` only those that were kept. */
  tests: z.array(testSchema),
  /** Only of `kiln repeat`. */
  repeat: repeatSchema.optional(),
  /** Infrastructure trouble that belongs to no single test. */
  errors: z.array(z.object({ code: z.string(), message: z.string() })),
});

export type CaseVerdict = z.infer<typeof caseVerdictSchema>;
export type Verdict = z.infer<typeof verdictSchema>;
export type SplatKind = z.infer<typeof splatKindSchema>;
export type Counts = z.infer<typeof countsSchema>;
export type CaseResult = z.infer<typeof caseSchema>;
export type SplatFrame = z.infer<typeof frameSchema>;
export type SplatResult = z.infer<typeof splatSchema>;
export type GuestResult = z.infer<typeof guestSchema>;
export type TestResult = z.infer<typeof testSchema>;
export type GenerationResult = z.infer<typeof generationSchema>;
export type JobResult = z.infer<typeof jobSchema>;
export type Repeat = z.infer<typeof repeatSchema>;
export type Results = z.infer<typeof resultsSchema>;

/** Counts verdicts, of tests or of cases. */
export function countVerdicts(verdicts: Iterable<Verdict>): Counts {
  const counts: Counts = { pass: 0, fail: 0, skip: 0, xfail: 0, timeout: 0, crash: 0, error: 0, total: 0 };
  for (const verdict of verdicts) {
    counts[verdict]++;
    counts.total++;
  }
  return counts;
}
