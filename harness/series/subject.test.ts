// SPDX-License-Identifier: MIT
import test from 'ava';
import { processorTime } from '../testing/processorTime.ts';
import { parseSubject } from './subject.ts';

/** The tags of a subject as `v2 1/3`, with what else is known of it. */
function tags(text: string): string {
  const { revision, number, total, tagged, pull, resend, kernel, reply } = parseSubject(text);
  return [
    ...(reply === 'no' ? [] : [reply === 'yes' ? 'reply' : 'reply?']),
    ...(tagged ? ['tagged'] : []),
    ...(pull ? ['pull'] : []),
    ...(resend ? ['resend'] : []),
    ...(kernel === null ? [] : [`for ${kernel}`]),
    ...(revision === null ? [] : [`v${revision}`]),
    ...(number === null ? [] : [`${number}/${total}`]),
  ].join(' ');
}

const cases: [subject: string, tags: string][] = [
  ['[PATCH] lib: a', 'tagged'],
  ['[PATCH 1/2] lib: a', 'tagged 1/2'],
  ['[PATCH 01/12] lib: a', 'tagged 1/12'],
  ['[PATCH v2 1/2] lib: a', 'tagged v2 1/2'],
  ['[PATCHv2 1/2] lib: a', 'tagged v2 1/2'],
  ['[PATCH V3] lib: a', 'tagged v3'],
  ['[PATCH v3.2 1/2] lib: a', 'tagged v3.2 1/2'],
  ['[PATCH -v3 1/2] lib: a', 'tagged v3 1/2'],
  ['[PATCH v6,1/2] lib: a', 'tagged v6 1/2'],
  ['[PATCH net-next v10 08/12] lib: a', 'tagged v10 8/12'],
  ['[PATCH,v2,net-next,1/2] lib: a', 'tagged v2 1/2'],
  ['[v4 PATCH 00/11] lib: a', 'tagged v4 0/11'],
  ['[PATCH1/2] lib: a', 'tagged 1/2'],
  ['[PATCH 1 of 2] lib: a', 'tagged 1/2'],
  ['[RFC][PATCH 1/2] lib: a', 'tagged 1/2'],
  ['[RFC] lib: a', 'tagged'],
  ['[RFCv2 0/3] lib: a', 'tagged v2 0/3'],
  ['[RFC PATCH v2] lib: a', 'tagged v2'],
  ['[list] [PATCH 1/2] lib: a', 'tagged 1/2'],
  ['[list][PATCH v2][1/2] lib: a', 'tagged v2 1/2'],
  ['[PATCH [RFC] 1/2] lib: a', 'tagged 1/2'],
  ['[1/2] lib: a', 'tagged 1/2'],
  ['[PATCH RESEND v2 1/2] lib: a', 'tagged resend v2 1/2'],
  ['[RESEND PATCH] lib: a', 'tagged resend'],
  ['[REPOST PATCH] lib: a', 'tagged resend'],
  ['[PATCH 6.12 001/234] lib: a', 'tagged for 6.12 1/234'],
  ['[PATCH 6.1.y 1/2] lib: a', 'tagged for 6.1 1/2'],
  ['[PATCH v6.1.y 1/2] lib: a', 'tagged for 6.1 1/2'],
  ['[PATCH v6.12-rc1 1/2] lib: a', 'tagged 1/2'],
  ['[PATCH AUTOSEL 5.4 21/23] lib: a', 'tagged for 5.4 21/23'],
  ['[PATCH AUTOSEL 6.17-5.4] lib: a', 'tagged for 6.17, 5.4'],
  ['[PATCH 5.15-stable v3] lib: a', 'tagged for 5.15 v3'],
  ['[PATCH 6.12-rc2] lib: a 6.1', 'tagged'],
  ['[PATCH 1.5/3] lib: a', 'tagged'],
  ['Patch "lib: a" has been added to the 6.12-stable tree', ''],
  ['[PATCH 3/2] lib: a', 'tagged 3/3'],
  ['PATCH v2 1/2: lib: a', 'tagged v2 1/2'],
  ['PATCH: lib: a', 'tagged'],
  ['[GIT PULL] lib', 'pull'],
  ['[PULL 0/3] lib', 'tagged pull 0/3'],
  ['[tip: lib/core] lib: a', ''],
  ['[patches] hello', ''],
  ['[ANNOUNCE] 2026/01/31 meeting', ''],
  ['[report 2026/01/31] hello', ''],
  ['lib: [PATCH 1/2] a', 'reply? tagged 1/2'],
  ['Re: [PATCH 1/2] lib: a', 'reply tagged 1/2'],
  ['Re: hello', 'reply'],
  ['[EXT] RE: [PATCH 1/2] lib: a', 'reply tagged 1/2'],
  ['答复: [PATCH 1/2] lib: a', 'reply tagged 1/2'],
  ['回复： [PATCH 1/2] lib: a', 'reply tagged 1/2'],
  ['Respuesta: [PATCH 1/2] lib: a', 'reply? tagged 1/2'],
  ['[PATCH 1/2] re: a', 'tagged 1/2'],
  ['', ''],
  ['[', ''],
  ['[PATCH 1/2', ''],
  [`${'['.repeat(5000)}PATCH`, ''],
];

for (const [subject, expected] of cases)
  test(`"${subject.slice(0, 60)}" is ${expected || 'no patch'}`, (t) => t.is(tags(subject), expected));

test('the title has neither brackets nor the words of a reply, and is one line', (t) => {
  t.is(parseSubject('[EXT] Re: [list] [PATCH v2\n 1/2]  lib:  a [b]').title, 'lib: a [b]');
});

test('a long subject takes no time', (t) => {
  const begun = processorTime();
  for (const part of ['[', '[PATCH ', 'a: ', '1/', ' ', 'v', 'Re: ', ']']) parseSubject(part.repeat(200_000));
  t.true(processorTime() - begun < 10_000);
});
