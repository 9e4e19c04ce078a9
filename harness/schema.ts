// SPDX-License-Identifier: MIT
import { z } from 'zod';

/** Reads results.json: its parsed JSON, or its text. Unknown fields are ignored; throws ResultsError. */
export function readResults(input: unknown): Results {
  const json = typeof input === 'string' ? parseJson(input) : input;
  const version = (json as { schema?: unknown } | null)?.schema;
  // Checked first: another version would otherwise fail with many field errors.
  if (version !== resultsVersion) {
    throw new ResultsError(
      'results-version',
      `results.json has schema version ${JSON.stringify(version)}; this Kiln reads version ${resultsVersion} only`,
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

/**
 * The version of results.json that this file describes. Raised when a reader of the old form would go wrong.
 */
export const resultsVersion = 1;

/** A KTAP case's verdict. `timeout`: the KTAP directive TIMEOUT, a limit inside the test program. */
export const caseVerdictSchema = z.enum(['pass', 'fail', 'skip', 'xfail', 'timeout']);

/**
 * A test's verdict. `crash`: the kernel or the guest died; `error`: an infrastructure error, not a failed
 * test.
 */
export const verdictSchema = z.enum(['pass', 'fail', 'skip', 'xfail', 'timeout', 'crash', 'error']);

/** The kinds of splats that harness/splat/find.ts distinguishes. */
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
/** Milliseconds of host time, unless a field's comment says guest time. */
const milliseconds = z.number().nonnegative();

/** The number of results with each verdict; `total` is their sum. */
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

/** Source lines around a place. */
export const excerptSchema = z.object({
  /** The number of the first line. */
  first: count,
  lines: z.array(z.string()),
  /** For each line, the file name of the patch of the series that changed it last, or null. Absent if none did. */
  patches: z.array(z.string().nullable()).optional(),
});

/** One KTAP result, flattened. */
export const caseSchema = z.object({
  /**
   * As the guest printed it, without escape sequences; may have other control characters. Names of nested cases are
   * joined with ` > `. Each name is there once in a test: the second of two gets ` (2)`.
   */
  name: z.string(),
  verdict: caseVerdictSchema,
  /**
   * The directive's text and the diagnostics printed before the result, lines joined with `\n`; may be empty.
   */
  detail: z.string(),
  /** Of a failed case: the lines of its suite that `detail` names, as `file.c:12:`. `file`: relative to the suite. */
  asserted: z.array(z.object({ file: z.string(), line: count, source: excerptSchema })).optional(),
});

/** A stack frame of a splat, resolved to source lines. */
export const frameSchema = z.object({
  /** As the log has it: `function+offset/size`. */
  at: z.string(),
  /**
   * Source lines: those of inlined functions first, the innermost first, then the frame's own. Empty where
   * there is no debug information (docs/design.md): in such a kernel, in a module, in assembly.
   */
  places: z.array(
    z.object({
      function: z.string(),
      /** Relative to the kernel tree. */
      file: z.string(),
      line: count,
      /** File name of the patch of the series that changed this line last; null if none did. */
      patch: z.string().nullable(),
      /** Absent if the tree's commit does not have the file, or not so many lines. */
      source: excerptSchema.optional(),
    }),
  ),
});

/** A complaint of the kernel in its log. */
export const splatSchema = z.object({
  /** Has no addresses, pids, offsets, CPU numbers or times, so that one bug has one title in every run. */
  title: z.string(),
  kind: splatKindSchema,
  /** What the guest did when the kernel logged it. */
  phase: z.enum(['boot', 'test', 'shutdown']),
  /** The command name of the task that was running, if the log has it. */
  task: z.string().nullable(),
  /**
   * Its end or its stack is missing, because the guest died or records were lost; or lines of another CPU stood in it.
   */
  torn: z.boolean(),
  /** Lines of the log, without time and level. */
  lines: z.array(z.string()),
  /** The message of the panic that this splat led to. */
  panic: z.string().nullable().optional(),
  /**
   * Frames of all its stacks, each once, in the log's order, without uncertain ones. Absent if none was
   * decoded.
   */
  frames: z.array(frameSchema).optional(),
  /** The test's settings declare it (expect_splat=): it does not fail the test. */
  expected: z.boolean().optional(),
  /** It is reported and does not fail the test by itself; docs/verdicts.md lists which. */
  notice: z.boolean().optional(),
});

/** A guest and its logs. Paths are relative to the run's directory, with `/`. */
export const guestSchema = z.object({
  /** QEMU's argv, the program first. */
  qemu: z.array(z.string()),
  /** Whether it was booted for this test, or forked from a frozen guest. */
  origin: z.enum(['boot', 'fork']).optional(),
  /**
   * From the start of QEMU, or from taking a QEMU that was started ahead, to the agent's first answer; 0 if
   * the guest ran another test before.
   */
  start_ms: milliseconds.optional(),
  /** From when to when the guest was this test's: from asking for it to the result. ISO 8601. */
  span: z.object({ from: z.iso.datetime(), to: z.iso.datetime() }).optional(),
  /** The log of the serial console. */
  console: z.string(),
  /** The kernel log in the form of /dev/kmsg. */
  kmsg: z.string(),
  /** The test program's stdout and stderr. */
  output: z.string(),
  /** If the guest hung: the state of its processors and tasks. */
  hang: z.string().optional(),
  /** In MiB. */
  memory: z.int().positive(),
  cpus: z.int().positive(),
  /** The kernel's command line. */
  cmdline: z.string(),
});

/**
 * A test that was late. `slow`: it took more than half its limit. `timed-out`: it reached its limit and was
 * killed. `hung`: its guest stopped answering. `dead`: its guest ended, for example by a panic.
 */
export const tempoSchema = z.enum(['slow', 'timed-out', 'hung', 'dead']);

/** A test's time limit, and how much time the host took from its guest. */
export const timeSchema = z.object({
  /** The limit of its settings times `scale`. Time in which the host did not run the guest does not count. */
  limit_ms: milliseconds,
  /** How slow this guest is compared with a usual one, measured by its boot; 1 with `--timeout`. */
  scale: z.number().min(1),
  /** From the request to run it to the guest's last message. */
  elapsed_ms: milliseconds,
  /** How long QEMU waited for a processor. */
  lost_ms: milliseconds,
  /** How long QEMU was stopped by a signal. */
  stopped_ms: milliseconds,
});

/** The result of a test on one of its kernels. */
export const generationSchema = z.object({
  /** 0 is the kernel that was booted. */
  generation: count,
  /** `uname -r`; null if it did not boot. */
  release: z.string().nullable(),
  /**
   * How it was started: with the guest, by kexec, by a panic (the crash kernel), by a reset of the machine.
   */
  by: z.enum(['boot', 'kexec', 'panic', 'reboot']),
  verdict: verdictSchema,
  detail: z.string(),
  /**
   * From the request to leave the previous kernel to the agent's hello in this one, host time; null without
   * request.
   */
  blackout_ms: milliseconds.nullable(),
  /** CLOCK_BOOTTIME at that hello, guest time; null if it did not come. */
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
  /** The reason for the verdict, one line for people; empty for an ordinary pass. */
  detail: z.string(),
  tempo: tempoSchema.optional(),
  /** With several kernels or cases: of the one that decides the verdict. Absent if the test did not run. */
  time: timeSchema.optional(),
  cases: z.array(caseSchema),
  splats: z.array(splatSchema),
  /** What is wrong with the test's output or its run, one sentence each (see KtapProblem). */
  problems: z.array(z.string()),
  /** From the start of the program to its end, guest time. */
  duration_ms: milliseconds,
  /**
   * CLOCK_BOOTTIME at the agent's hello (for a fork: in its template), guest time; null if it did not come.
   */
  boot_ms: milliseconds.nullable(),
  /** null if no guest was started. */
  guest: guestSchema.nullable(),
  /** Files that the test left for the host, relative to the run's directory. */
  artifacts: z.array(z.string()),
  /** A command line that runs this test again. */
  reproduce: z.string().nullable(),
  /** If the test goes through several kernels: the result on each, in order. */
  generations: z.array(generationSchema).optional(),
});

/** One series on one base with one config: one build. */
export const jobSchema = z.object({
  id: z.string(),
  base: z.object({
    /** The value of --base: `debian:linux-source-6.12`, `tar:…`, `git:DIR#REF`. */
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
      /** The version that was chosen from the mails of a thread; null if the series did not come by mail. */
      revision: z.number().nullable().optional(),
      /** Numbers of parts that were missing and were gone on without (--allow-incomplete). */
      missing: z.array(count).optional(),
      /** What the source holds beside the series, and why it is no part of it. */
      left_out: z
        .array(z.object({ subject: z.string(), message_id: z.string().nullable(), reason: z.string() }))
        .optional(),
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
  /** `--config-from`, the names or paths of `--config`, the lines of `--set`, in the order in which they were merged. */
  config: z.array(z.string()),
  /** The first line of the --version of the kernel's compiler; null if the job did not get that far. */
  compiler: z.string().nullable().optional(),
  /** How QEMU runs the guests, and why this way. */
  accelerator: z.object({
    name: z.enum(['kvm', 'tcg']),
    /** QEMU's CPU model. */
    cpu: z.string().optional(),
    reason: z.string(),
    /**
     * Features of the processor that tests need (needs_cpu=) and that it has not, as in their settings: these tests are
     * skipped. Absent if there are none.
     */
    lacks: z.array(z.string()).optional(),
  }),
  /** Whether the build ran in a sandbox, and the reason. */
  sandbox: z.object({ on: z.boolean(), reason: z.string() }).optional(),
  /** null if the job did not get that far. */
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
  /** Content keys of the stages' outputs, hex; null if the job did not get that far. */
  keys: z.object({
    tree: z.string().nullable(),
    kernel: z.string().nullable(),
    image: z.string().nullable(),
  }),
  /** In the order in which they ran. `cached`: the output was in the cache. */
  stages: z.array(
    z.object({
      name: z.string(),
      /** ISO 8601. */
      started: z.iso.datetime().optional(),
      duration_ms: milliseconds,
      cached: z.boolean(),
    }),
  ),
  /** Suites that were skipped because the tree lacks their code, and the reason. */
  left_out: z.array(z.object({ suite: z.string(), reason: z.string() })),
  /** The warnings that were shown. */
  notes: z.array(z.string()).optional(),
  /** The error that ended the job early. Other fields depend on the code; a reader must preserve them. */
  error: z.looseObject({ code: z.string(), message: z.string() }).nullable(),
});

/** The result of `kiln repeat`: one test, run many times. Paths are relative to the run's directory. */
export const repeatSchema = z.object({
  /** `suite/test`. */
  test: z.string(),
  /** The value of --times. */
  asked: z.int().positive(),
  /** Counts over the finished runs. */
  verdicts: countsSchema,
  /**
   * Runs that failed, timed out or crashed. `of`: runs that were neither skipped nor an infrastructure error.
   */
  failed: count,
  of: count,
  /** `failed / of`, and its 95 % confidence interval (Wilson score); from 0 to 1. null if `of` is 0. */
  rate: z.object({ estimate: z.number(), low: z.number(), high: z.number() }).nullable(),
  /**
   * Reasons for verdicts, the most frequent first, at most 10; `logs`: of the first run with it, if stored.
   */
  reasons: z.array(
    z.object({
      verdict: verdictSchema,
      detail: z.string(),
      count,
      logs: z.string().nullable(),
    }),
  ),
  /** The number of runs whose reason is not in `reasons`. */
  other_reasons: count,
  /** The first failure to be reported; `run` counts from 1. */
  first_failure: z
    .object({ run: count, verdict: verdictSchema, detail: z.string(), logs: z.string().nullable() })
    .nullable(),
  /**
   * Why there are fewer runs than `asked`: --until-fail and a failure; the guest to fork from did not boot;
   * too many infrastructure errors in a row. null also if the job's `error` has the reason.
   */
  stopped: z.enum(['failed', 'no-boot', 'errors']).nullable(),
  /** A command line that repeats this. */
  again: z.string(),
});

/** What a check of a patch says. `skip`: it could not be made; `summary` has the reason. */
export const checkStatusSchema = z.enum(['pass', 'warn', 'fail', 'skip']);

/** The checks of a patch, in the order in which they are made and shown. */
export const checkNames = [
  'apply',
  'checkpatch',
  'tags',
  'build',
  'warnings',
  'kernel-doc',
  'size',
  'elsewhere',
  'boot',
  'tests',
] as const;

/** One check of one patch. */
export const checkSchema = z.object({
  name: z.enum(checkNames),
  status: checkStatusSchema,
  /** One line for people. */
  summary: z.string(),
  /** What it found, as the tool printed it; may have several lines each. */
  findings: z.array(z.string()),
});

/** A file that a patch touches, and whether the kernel that was tested has code of it. */
export const touchedFileSchema = z.object({
  /** Relative to the kernel tree. */
  path: z.string(),
  /** null: it is no code: documentation, a Makefile. */
  compiled: z.boolean().nullable(),
  /** Why not; or, of a header, in which file. */
  reason: z.string().nullable(),
  /** Functions that the patch changes, and whether they are in the kernel; empty if the file is not compiled. */
  functions: z.array(z.object({ name: z.string(), compiled: z.boolean() })),
});

/** One patch of a series under `kiln ci`. */
export const ciPatchSchema = z.object({
  /** Its place in the series, from 1. */
  number: z.int().positive(),
  file: z.string(),
  subject: z.string(),
  /** Without the angle brackets; null if it did not come by mail. */
  message_id: z.string().nullable(),
  /** The `id` of the job that built the tree up to this patch; null if none did. */
  job: z.string().nullable(),
  checks: z.array(checkSchema),
  files: z.array(touchedFileSchema),
});

/** How often something failed among its runs on a kernel. */
const shareSchema = z.object({ failed: count, runs: count });

/**
 * Whether something that a test reports differs between the base and the patched kernel. `new-failure`: fails more
 * often with the series. `fixed`: fails less often. `failing-before`: always on both. `flaky`: sometimes, and not more
 * often. `new-test`: the base does not have it. `undecided`: the replays were too few.
 */
export const changeKindSchema = z.enum([
  'new-failure',
  'fixed',
  'failing-before',
  'flaky',
  'new-test',
  'undecided',
]);

/** A case, a test or a splat that is not the same on base and patched, or fails on both. */
export const changeSchema = z.object({
  suite: z.string(),
  test: z.string(),
  /** null: the test as a whole, or a splat. */
  case: z.string().nullable(),
  /** The title of a splat; null if it is about a verdict. */
  splat: z.string().nullable(),
  kind: changeKindSchema,
  patched: shareSchema,
  base: shareSchema,
  /** The probability that `kind` is wrong, at most; null if no replays decided it. */
  error: z.number().nullable(),
  /** The same for people, one line. */
  sentence: z.string(),
  /** The reason for the failure, one line; empty if there is none. */
  detail: z.string(),
  /** How often it failed in earlier runs, of any series; absent if there is no history. `last`: ISO 8601. */
  past: z.object({ runs: count, failed: count, last: z.string().nullable() }).optional(),
  /** Config fragments that make it another kernel than the run's, such as `kasan,lockdep`. */
  kernel: z.string().optional(),
  /** The first patch with which it fails, from 1; null if not known. */
  patch: z.int().positive().nullable(),
  /** Command lines that run the test again on each kernel. */
  reproduce: z.object({ patched: z.string().nullable(), base: z.string().nullable() }),
});

/** How the base of a series was found. */
export const baseChoiceSchema = z.object({
  /** A value for --base. */
  source: z.string(),
  how: z.enum(['asked', 'base-commit', 'blobs', 'candidate', 'default']),
  /** For people, one line. */
  reason: z.string(),
});

/** The result of `kiln ci`. */
export const ciSchema = z.object({
  series: z.object({
    name: z.string(),
    source: z.string(),
    /** Of the cover letter, else of the first patch; without [PATCH …]. */
    subject: z.string(),
    revision: z.number().nullable(),
    /** Of the cover letter, else of the first patch; without the angle brackets; null if it did not come by mail. */
    message_id: z.string().nullable(),
    /** `From:` of that mail; null if it did not come by mail. */
    from: z.string().nullable(),
  }),
  base: baseChoiceSchema,
  /** The `id` of the job that tested the base; null if none did. */
  base_job: z.string().nullable(),
  patches: z.array(ciPatchSchema),
  changes: z.array(changeSchema),
  /** Lines of the kernel log that only the patched kernel has, without times. They fail nothing. */
  new_log_lines: z.array(z.string()),
  /** Why the run fails; empty if it does not. One line each. */
  failures: z.array(z.string()),
  /** What was not tested, and why. One line each. */
  not_tested: z.array(z.string()),
});

/** A commit that `kiln bisect` ran a test on, or could not. */
export const bisectCommitSchema = z.object({
  /** Hex. */
  commit: z.string(),
  subject: z.string(),
  /** `name <address>`. */
  author: z.string(),
  /** Of the commit, such as 2026-01-31. */
  date: z.string(),
  /** The `id` of its job; null: none was needed. */
  job: z.string().nullable(),
  answer: z.enum(['good', 'bad', 'skip']),
  /** Its runs; null if none decided it. */
  runs: shareSchema.nullable(),
  /** Why it fails or was skipped, one line; may be empty. */
  reason: z.string(),
});

/** The result of `kiln bisect`: with which commit a test began to fail. */
export const bisectSchema = z.object({
  /** `suite/test`. */
  test: z.string(),
  /** The value of --case. */
  case: z.string().nullable(),
  /** The git repository, absolute. */
  repository: z.string(),
  /** How many commits BAD has that GOOD has not. */
  commits: count,
  /** `boot`: BAD does not boot, and a commit is bad if it does not. null: the ends were not compared. */
  looks_for: z.enum(['test', 'boot']).nullable(),
  /** GOOD and BAD, then what git asked for, in order. */
  asked: z.array(bisectCommitSchema),
  /** The first bad commit; or several, the newest first, one of which is it. Empty: not known. */
  found: z.array(z.object({ commit: z.string(), subject: z.string(), author: z.string(), date: z.string() })),
  /** The probability that `found` does not have the first bad commit, at most. */
  error: z.number(),
  /** Why it is not known; null if it is. */
  failure: z.string().nullable(),
  /** A command line that bisects again, or goes on. */
  again: z.string(),
});

/** results.json, schema version 1: everything that one call of Kiln did. */
export const resultsSchema = z.object({
  schema: z.literal(resultsVersion),
  /** Kiln's own version. */
  kiln: z.string(),
  /** The run's id, also the name of its directory. */
  id: z.string(),
  /** The start of the run, ISO 8601 with a zone. */
  started: z.iso.datetime({ offset: true }),
  duration_ms: milliseconds,
  exit_code: z.int().min(0).max(255),
  /** argv, the program first. */
  command: z.array(z.string()),
  /** Counts over `tests`; `cases`: counts over their cases. */
  summary: countsSchema.extend({ cases: countsSchema }),
  jobs: z.array(jobSchema),
  /** `kiln repeat` stores only the failures and errors that it reports. */
  tests: z.array(testSchema),
  /** Only of `kiln repeat`. */
  repeat: repeatSchema.optional(),
  /** Only of `kiln ci`. */
  ci: ciSchema.optional(),
  /** Only of `kiln bisect`. `tests` has the first failure on each commit. */
  bisect: bisectSchema.optional(),
  /** Infrastructure errors that belong to no single test. */
  errors: z.array(z.object({ code: z.string(), message: z.string() })),
});

export type CaseVerdict = z.infer<typeof caseVerdictSchema>;
export type Verdict = z.infer<typeof verdictSchema>;
export type SplatKind = z.infer<typeof splatKindSchema>;
export type Counts = z.infer<typeof countsSchema>;
export type SourceExcerpt = z.infer<typeof excerptSchema>;
export type CaseResult = z.infer<typeof caseSchema>;
export type SplatFrame = z.infer<typeof frameSchema>;
export type SplatResult = z.infer<typeof splatSchema>;
export type GuestResult = z.infer<typeof guestSchema>;
export type TestResult = z.infer<typeof testSchema>;
export type GenerationResult = z.infer<typeof generationSchema>;
export type JobResult = z.infer<typeof jobSchema>;
export type Repeat = z.infer<typeof repeatSchema>;
export type CheckResult = z.infer<typeof checkSchema>;
export type TouchedFile = z.infer<typeof touchedFileSchema>;
export type CiPatch = z.infer<typeof ciPatchSchema>;
export type Change = z.infer<typeof changeSchema>;
export type BaseChoice = z.infer<typeof baseChoiceSchema>;
export type Ci = z.infer<typeof ciSchema>;
export type BisectCommit = z.infer<typeof bisectCommitSchema>;
export type Bisect = z.infer<typeof bisectSchema>;
export type Results = z.infer<typeof resultsSchema>;

/** Count the verdicts of tests or cases. */
export function countVerdicts(verdicts: Iterable<Verdict>): Counts {
  const counts: Counts = { pass: 0, fail: 0, skip: 0, xfail: 0, timeout: 0, crash: 0, error: 0, total: 0 };
  for (const verdict of verdicts) {
    counts[verdict]++;
    counts.total++;
  }
  return counts;
}
