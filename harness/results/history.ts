// SPDX-License-Identifier: MIT
// What tests did in earlier runs, in a database of the cache. It is shown, and decides nothing.
import { mkdir, rename } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { limits } from '../limits.ts';
import type { Change, JobResult, Results, Verdict } from '../schema.ts';
import { exists } from '../util/files.ts';
import { isBad } from './judge.ts';

/** The version of the tables, in `PRAGMA user_version`. Another table needs no new one: older Kilns ignore it. */
const version = 1;

/**
 * `run`: one row a run. `test`: a test in a run, with what it ran on. `failure`: a case or splat that failed in it; cases
 * that pass have no row. Times are ISO 8601 in UTC.
 */
const tables = `
create table run (
  id text primary key,
  started text not null,
  command text not null,
  dir text not null
) strict;
create table test (
  id integer primary key,
  run text not null references run (id) on delete cascade,
  job text not null,
  suite text not null,
  test text not null,
  verdict text not null,
  detail text not null,
  duration_ms real not null,
  kernel text,
  series text not null,
  base text not null
) strict;
create table failure (
  test integer not null references test (id) on delete cascade,
  name text,
  splat text
) strict;
create index test_by_name on test (suite, test, id);
create index test_by_run on test (run);
create index failure_by_test on failure (test);
pragma user_version = ${version};
`;

/**
 * Of each job, what its kernel is and where it ran, and how long its stages took. Runs of a Kiln that did not have
 * these tables have no rows in them.
 */
const laterTables = `
create table if not exists job (
  run text not null references run (id) on delete cascade,
  id text not null,
  series text not null,
  base text not null,
  release text,
  config text not null,
  accelerator text not null,
  primary key (run, id)
) strict;
create table if not exists stage (
  run text not null references run (id) on delete cascade,
  job text not null,
  name text not null,
  duration_ms real not null,
  cached integer not null
) strict;
create index if not exists stage_by_run on stage (run, job);
`;

/** How often something failed lately. `runs`: runs of its test, on any kernel, with a verdict that counts. */
export type Past = NonNullable<Change['past']>;

/** A test, or a case or splat of it. */
export type Asked = { suite: string; test: string; case: string | null; splat: string | null };

/** A run of a test, with a verdict that is no infrastructure error. Times are ISO 8601, durations in guest time. */
export type PastRun = {
  run: string;
  started: string;
  /** The directory of the run; it may be gone. */
  dir: string;
  suite: string;
  test: string;
  verdict: Exclude<Verdict, 'error'>;
  detail: string;
  duration_ms: number;
  /** The kernel's key; null: it is not known. */
  kernel: string | null;
  series: string;
  base: string;
  /** Of the kernel and its guest; null: a run of an older Kiln. */
  release: string | null;
  config: string | null;
  accelerator: string | null;
  /** Cases and splats that failed, in their order. */
  failures: string[];
};

/** The history; every method may throw, and no run depends on it. */
export class History implements Disposable {
  readonly #database: DatabaseSync;

  private constructor(database: DatabaseSync) {
    this.#database = database;
  }

  /**
   * Open the database of a cache, or make it. One that is damaged is put aside.
   * @returns null, with a sentence for the user, if there is none that can be used
   */
  static async open(cache: string, note: (text: string) => void): Promise<History | null> {
    const path = pathOf(cache);
    try {
      await mkdir(dirname(path), { recursive: true });
      return new History(openDatabase(path));
    } catch (error) {
      if (!isDamaged(error)) {
        note(`the history of tests is not used: ${(error as Error).message}`);
        return null;
      }
    }
    const aside = `${path}.damaged-${Date.now()}`;
    try {
      for (const end of ['', '-wal', '-shm']) await rename(path + end, aside + end).catch(ignoreMissing);
      note(`the history of tests is damaged, and begins anew; the old one is ${aside}`);
      return new History(openDatabase(path));
    } catch (error) {
      note(`the history of tests is not used: ${(error as Error).message}`);
      return null;
    }
  }

  /** Open the database of a cache to look into it; null if there is none. Throws if it can't be used. */
  static async look(cache: string): Promise<History | null> {
    const path = pathOf(cache);
    return (await exists(path)) ? new History(openDatabase(path)) : null;
  }

  /** Add a run. A run that is there already is replaced. */
  add(results: Results, dir: string): void {
    const database = this.#database;
    const jobs = new Map(results.jobs.map((job) => [job.id, job]));
    const addTest = database.prepare(
      `insert into test (run, job, suite, test, verdict, detail, duration_ms, kernel, series, base)
       values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    );
    const addFailure = database.prepare('insert into failure (test, name, splat) values (?, ?, ?)');
    database.exec('begin immediate');
    try {
      database.prepare('delete from run where id = ?').run(results.id);
      database
        .prepare('insert into run (id, started, command, dir) values (?, ?, ?, ?)')
        .run(results.id, results.started, results.command.join(' '), dir);
      // What was known before had no guest, and is there already.
      const tests = results.tests.filter(({ guest }) => guest !== null);
      for (const { job, suite, test, verdict, detail, duration_ms, cases, splats } of tests) {
        const { kernel, series, base } = describe(jobs.get(job));
        const own = addTest.run(
          results.id,
          job,
          suite,
          test,
          verdict,
          detail,
          duration_ms,
          kernel,
          series,
          base,
        );
        for (const one of cases.filter((item) => isBad(item.verdict)))
          addFailure.run(own.lastInsertRowid, one.name, null);
        for (const one of splats.filter(({ expected, notice }) => !expected && !notice))
          addFailure.run(own.lastInsertRowid, null, one.title);
      }
      for (const job of results.jobs) this.#addJob(results.id, job);
      database.exec('commit');
    } catch (error) {
      database.exec('rollback');
      throw error;
    }
  }

  #addJob(run: string, job: JobResult): void {
    const { series, base } = describe(job);
    this.#database
      .prepare(
        'insert or replace into job (run, id, series, base, release, config, accelerator) values (?, ?, ?, ?, ?, ?, ?)',
      )
      .run(
        ...[run, job.id, series, base, job.kernel?.release ?? null],
        ...[job.config.join(' '), job.accelerator.name],
      );
    const add = this.#database.prepare(
      'insert into stage (run, job, name, duration_ms, cached) values (?, ?, ?, ?, ?)',
    );
    for (const { name, duration_ms, cached } of job.stages)
      add.run(run, job.id, name, duration_ms, cached ? 1 : 0);
  }

  /**
   * The runs of tests, the oldest first; of many, the newest.
   * @param asked a suite, and a test of it; null: all
   */
  runs(asked: { suite: string | null; test: string | null }, limit = 100_000): PastRun[] {
    const rows = this.#database
      .prepare(
        `select test.id, test.run, run.started, run.dir, suite, test, verdict, detail, duration_ms, kernel,
                test.series, test.base, job.release, job.config, job.accelerator,
                (select json_group_array(coalesce(name, splat)) from failure where failure.test = test.id) as failures
         from test join run on run.id = test.run left join job on job.run = test.run and job.id = test.job
         where verdict != 'error' and suite = coalesce(?, suite) and test = coalesce(?, test)
         order by run.started desc, test.id desc limit ?`,
      )
      .all(asked.suite, asked.test, limit);
    return rows.toReversed().map((row) => {
      const {
        id: _,
        failures,
        ...others
      } = row as { id: number; failures: string } & Omit<PastRun, 'failures'>;
      return { ...others, failures: JSON.parse(failures) };
    });
  }

  /** How often something failed in the last runs of its test, `but` for one. */
  past({ suite, test, case: name, splat }: Asked, but: string, limit = 100): Past {
    const isTest = name === null && splat === null;
    const row = this.#database
      .prepare(
        `with recent as (
           select test.id, test.verdict, run.started from test join run on run.id = test.run
           where suite = ? and test = ? and run != ? and verdict not in ('error', 'skip')
           order by test.id desc limit ?
         ), marked as (
           select started, case when ? then verdict in ('fail', 'timeout', 'crash') else exists (
             select 1 from failure where failure.test = recent.id and failure.name is ? and failure.splat is ?
           ) end as failed from recent
         )
         select count(*) as runs, coalesce(sum(failed), 0) as failed,
                max(case when failed then started end) as last from marked`,
      )
      .get(suite, test, but, limit, isTest ? 1 : 0, name, splat) as Past;
    return { ...row };
  }

  /** Remove runs that began before a time, ISO 8601; returns how many. */
  forget(before: string): number {
    return Number(this.#database.prepare('delete from run where started < ?').run(before).changes);
  }

  [Symbol.dispose](): void {
    this.#database.close();
  }
}

/** Add a run to the history of a cache. What goes wrong is noted, and changes nothing. */
export async function remember(
  cache: string,
  results: Results,
  dir: string,
  note: (text: string) => void,
): Promise<void> {
  try {
    using history = await History.open(cache, note);
    history?.add(results, dir);
  } catch (error) {
    note(`the run is not in the history of tests: ${(error as Error).message}`);
  }
}

/** Remove runs that began before a time, ISO 8601, from the history of a cache; returns how many. */
export async function forgetRuns(
  cache: string,
  before: string,
  note: (text: string) => void,
): Promise<number> {
  using history = await History.open(cache, note);
  return history?.forget(before) ?? 0;
}

/** What the history of a cache says of each, `but` for one run; nothing if it can't be read. */
export async function recall(cache: string, asked: readonly Asked[], but: string): Promise<Past[]> {
  try {
    using history = await History.open(cache, () => {});
    return history ? asked.map((one) => history.past(one, but)) : [];
  } catch {
    return [];
  }
}

function pathOf(cache: string): string {
  return join(cache, 'history', 'history.db');
}

/** Throws if the tables are another version's: an older Kiln must not write into them. */
function openDatabase(path: string): DatabaseSync {
  const database = new DatabaseSync(path, { timeout: limits.testHistory });
  try {
    database.exec('pragma journal_mode = wal; pragma foreign_keys = on;');
    const found = (database.prepare('pragma user_version').get() as { user_version: number }).user_version;
    if (found === 0 || (found === version && !hasLaterTables(database))) create(database);
    else if (found !== version)
      throw new Error(`${path} has version ${found} of the tables, and this Kiln knows ${version}`);
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

/** Two runs may do this at once. */
function create(database: DatabaseSync): void {
  database.exec('begin immediate');
  const found = (database.prepare('pragma user_version').get() as { user_version: number }).user_version;
  if (found === 0) database.exec(tables);
  database.exec(laterTables);
  database.exec('commit');
}

function hasLaterTables(database: DatabaseSync): boolean {
  return database.prepare("select name from sqlite_schema where name = 'stage_by_run'").get() !== undefined;
}

/** SQLITE_CORRUPT and SQLITE_NOTADB. */
export function isDamaged(error: unknown): boolean {
  return [11, 26].includes((error as { errcode?: number }).errcode ?? 0);
}

function ignoreMissing(error: NodeJS.ErrnoException): void {
  if (error.code !== 'ENOENT') throw error;
}

function describe(job: JobResult | undefined): { kernel: string | null; series: string; base: string } {
  return {
    kernel: job?.kernel?.key ?? null,
    series: job?.series.map(({ name }) => name).join('+') ?? '',
    base: job?.base.commit ?? job?.base.source ?? '',
  };
}
