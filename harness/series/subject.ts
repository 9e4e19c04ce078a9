// SPDX-License-Identifier: MIT
// What the subject of a mail says: [PATCH v2 1/3], Re:, RESEND.

export type Subject = {
  /** Decoded, in one line. */
  text: string;
  /** Without the brackets and the words of a reply before it. */
  title: string;
  /** `maybe`: an unknown word and a colon stand before the brackets. */
  reply: 'yes' | 'maybe' | 'no';
  /** It says that it is a patch: [PATCH], [RFC] or a number. */
  tagged: boolean;
  /** A pull request. */
  pull: boolean;
  resend: boolean;
  /** The stable kernels that it is for, such as 6.12 in [PATCH 6.12.y]; null if it names none. */
  kernel: string | null;
  /** v2; null if it has none. */
  revision: number | null;
  /** n and m of [PATCH n/m]; a total is at least its number. */
  number: number | null;
  total: number | null;
  /** Its number is greater than the total that it names, as in [PATCH 4/3]. */
  isBeyond: boolean;
};

/** Words that make a reply or a forwarded mail of what follows, whatever it is. */
const replyWords = new Set(
  're aw antw antwort sv fw fwd wg 回复 答复 回覆 转发 轉寄 返信 转寄 答覆'.split(' '),
);
/** These do so only before brackets: each may also be the name of a subsystem. */
const otherReplyWords = new Set(
  'r i res rv ynt odp tr rif vs vl vb vá vá enc doorst blz atb ang ref bls σχετ απ ha rsp hv ynt ilt 답장 전달 отв отв. ответ на пер'.split(
    ' ',
  ),
);

/** @param raw decoded; folded lines are joined here */
export function parseSubject(raw: string): Subject {
  const text = raw.replace(/\s+/g, ' ').trim();
  const groups: string[] = [];
  let reply: Subject['reply'] = 'no';
  let rest = text;
  while (rest !== '') {
    const bracket = takeBracket(rest);
    if (bracket) {
      groups.push(bracket.inside);
      rest = bracket.rest;
      continue;
    }
    // A word with a colon behind [PATCH] names a subsystem.
    if (groups.some(isTag)) break;
    const word = /^([\p{L}\p{M}.]{1,12})(?: ?[[(]\d{1,3}[\])]| ?\d{1,3})? ?[:：] ?/u.exec(rest);
    if (!word) break;
    const [prefix, name] = [word[0], word[1]!.toLowerCase()];
    const behind = rest.slice(prefix.length);
    const isBeforeTag = isTag(takeBracket(behind)?.inside ?? '');
    if (replyWords.has(name) || (otherReplyWords.has(name) && behind.startsWith('['))) reply = 'yes';
    else if (isBeforeTag && reply === 'no') reply = 'maybe';
    else if (reply === 'no' || !isBeforeTag) break;
    rest = behind;
  }
  const unbracketed =
    groups.length === 0 ? /^patch\b[^:"“]{0,40}?(?::|\d\/\d+) ?/i.exec(rest)?.[0] : undefined;
  if (unbracketed !== undefined) {
    groups.push(unbracketed);
    rest = rest.slice(unbracketed.length);
  }
  return { text, title: rest.trim(), reply, ...readTags(groups) };
}

function readTags(groups: string[]): Omit<Subject, 'text' | 'title' | 'reply'> {
  const tags = groups.join(' , ');
  const place = groups.map((group) => numbers.exec(group)).find((found) => found !== null);
  const version = revisions.exec(groups.filter(isTag).join(' , '));
  const number = place ? Number(place[1]) : null;
  const versions = [...groups.filter(isTag).join(' , ').matchAll(kernels)].map(([, plain, v]) => plain ?? v);
  return {
    tagged: groups.some(isTag),
    pull: /\bpull\b/i.test(tags),
    resend: /re-?(?:send|post)/i.test(tags),
    kernel: versions.length === 0 ? null : versions.join(', '),
    revision: version ? Number(version[1]) : null,
    number,
    total: place ? Math.max(Number(place[2]), number!) : null,
    isBeyond: place ? number! > Number(place[2]) : false,
  };
}

/** n/m or n of m, but not a date (2026/01/31) or a version (6.1/2). */
const numbers = /(?<![\d./])(\d{1,9}) ?(?:\/| of ) ?(\d{1,9})(?![\d./])/i;
/** v2, V2, v.2, PATCHv2, v6.1; v6.1.y and v6.12-rc1 are kernels. */
const revisions = /(?:^|[\s,;:_(/-]|patch|rfc|resend)v(?:er)?[. ]?(\d{1,4}(?:\.\d{1,3})?)(?![\d.\w])(?!-rc)/i;
/** 6.12, 6.12.y, v6.12.y, 6.12-stable; not 6.12-rc1, and v6.1 is a revision. */
const kernels =
  /(?<![^\s,;:(/-])(?:(\d{1,2}\.\d{1,3})(?:\.y|-stable)?|v(\d{1,2}\.\d{1,3})(?:\.y|-stable))(?![\w./]|-rc)/gi;

/** Whether brackets with this content belong to a patch, and not to a list, a bot or a gateway. */
function isTag(inside: string): boolean {
  return (
    /(?:^|[\s,;/|(]|rfc|resend)[-_]?patch(?!es\b)/i.test(inside) ||
    /(?:^|[\s,;/|(])rfc/i.test(inside) ||
    numbers.test(inside)
  );
}

/** Brackets at the beginning of the text, with those inside them. */
function takeBracket(text: string): { inside: string; rest: string } | undefined {
  if (!text.startsWith('[')) return undefined;
  let depth = 0;
  for (let at = 0; at < Math.min(text.length, 300); at++) {
    if (text[at] === '[') depth++;
    if (text[at] === ']' && --depth === 0)
      return { inside: text.slice(1, at).replace(/[[\]]/g, ' '), rest: text.slice(at + 1).trimStart() };
  }
  return undefined;
}
