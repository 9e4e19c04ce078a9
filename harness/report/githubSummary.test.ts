// SPDX-License-Identifier: MIT
import test from 'ava';
import { exampleCi } from '../testing/exampleCi.ts';
import { markdown, renderGithubSummary, summaryBytes } from './githubSummary.ts';

/** As a reader sees it: without the escapes. */
function seen(text: string): string {
  return text.replace(/&#(\d+);/g, (_, number) => String.fromCodePoint(Number(number)));
}

test('the summary has a row for each patch, and new failures with the splat', (t) => {
  const text = seen(renderGithubSummary(exampleCi()));
  const rows = text.split('\n').filter((line) => line.startsWith('|'));
  t.deepEqual(rows, [
    '| patch | apply | checkpatch | tags | build | warnings | size | boot | tests |',
    '| --- | :-: | :-: | :-: | :-: | :-: | :-: | :-: | :-: |',
    '| 1/3 demo: add a driver | ✅ | ✅ | ✅ | ✅ | ✅ | ✅ | ✅ | ✅ |',
    '| 2/3 demo: name the users | ✅ | ⚠️ 1 check | – Fixes: is not checked without --repo | ✅ | ⚠️ 2 new warnings | ✅ | ✅ | ✅ |',
    '| 3/3 demo: count the users | ✅ | ✅ | ✅ | ✅ | ✅ | ✅ | ✅ | ❌ 2 new failures |',
  ]);
  t.true(
    text.startsWith(
      '## Kiln: demo: count the users\n\n3 patches on <code>git:/src/linux#0123456789ab</code>',
    ),
  );
  t.true(text.includes('**demo/races: WARNING in demo_put**  \nnew: 8 of 8 patched'));
  t.true(text.includes('\n<pre>\n------------[ cut here ]------------\ndemo: count below 0\n'));
  t.true(text.includes('* demo/timer: global.sleeps: flaky: 3 of 20 patched, 4 of 20 base\n'));
  t.true(text.includes('### Not tested\n\n* drivers/demo/arm.c is not compiled: it needs CONFIG_ARM64\n'));
});

test('text of others is no markup', (t) => {
  const evil =
    '</pre><script>x</script> **b** [l](https://e.vil) | @torvalds #1 `c` www.e.vil\n\n# t\n* i\n1. n $x$ _u_';
  const escaped = markdown(evil);
  t.notRegex(escaped.replace(/&#\d+;/g, ''), /[^\p{L}\p{N} ,]/u);
  t.is(seen(escaped), evil.replace(/\s+/g, ' '));
  const { changes, patches, series } = exampleCi().ci!;
  const results = exampleCi({
    series: { ...series, subject: evil },
    changes: changes.map((one) => ({ ...one, ...{ suite: evil, detail: evil, sentence: evil } })),
    patches: patches.map((one) => ({
      ...one,
      subject: evil,
      checks: one.checks.map((check) => ({ ...check, summary: evil })),
    })),
    ...{ failures: [evil], not_tested: [evil], new_log_lines: [evil] },
  });
  const own = /^<\/?pre>$|<\/?code>/gm;
  const text = renderGithubSummary({
    ...results,
    tests: results.tests.map((one) => ({ ...one, suite: evil })),
  });
  t.notRegex(text.replace(own, ''), /[<>]|\]\(|@torvalds|www\./);
});

test('a log cannot leave its block', (t) => {
  const results = exampleCi();
  const lines = ['</pre>', '<b>', '&amp;', '```', '# title'];
  results.tests = results.tests.map((one) => ({
    ...one,
    splats: one.splats.map((splat) => ({ ...splat, lines })),
  }));
  const text = renderGithubSummary(results);
  t.true(text.includes('<pre>\n&#60;/pre&#62;\n&#60;b&#62;\n&#38;amp;\n```\n# title\n</pre>'), text);
});

test('the summary is never larger than GitHub shows', (t) => {
  const { changes } = exampleCi().ci!;
  const many = Array.from({ length: 3000 }, () =>
    changes.map((one) => ({ ...one, detail: '🙂'.repeat(900) })),
  ).flat();
  const text = renderGithubSummary(exampleCi({ changes: many }));
  t.true(Buffer.byteLength(text) <= summaryBytes);
  t.true(Buffer.byteLength(text) > summaryBytes - 100_000);
  t.regex(text, /\(The rest is in results\.json: GitHub does not show more\.\)\n$/);
});
