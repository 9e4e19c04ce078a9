// SPDX-License-Identifier: MIT
import test from 'ava';
import { fileId, fileLink, formatAddress, parseAddress, readFileId } from './address.ts';

test('what the reader looks at survives the way through the address', (t) => {
  for (const address of [
    { query: '', at: '' },
    { query: 'suite:srvfs "a b" & #1 %', at: 'failure:srvfs/a%b' },
    { query: '', at: fileId('guests/a job/kernel.log', 12) },
  ])
    t.deepEqual(parseAddress(formatAddress(address)), address);
});

test('an address that is no address of ours is the top of the page', (t) => {
  t.deepEqual(parseAddress('#%%%=&&='), { query: '', at: '' });
});

test('the id of a line names its file, whatever the file is called', (t) => {
  t.deepEqual(readFileId(fileId('a:1:2', 3)), { path: 'a:1:2', line: 3 });
  t.deepEqual(readFileId(fileId('guests/x.log')), { path: 'guests/x.log', line: null });
  t.is(readFileId('failure:a/b'), null);
});

test('a path is never an address of its own', (t) => {
  t.is(fileLink('javascript:alert(1)'), './javascript%3Aalert(1)');
  t.is(fileLink('//example.org/x'), './//example.org/x');
  t.is(fileLink('guests/a#b?c/kernel.log'), './guests/a%23b%3Fc/kernel.log');
});
