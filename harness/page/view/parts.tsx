// SPDX-License-Identifier: MIT
// Small parts that all sections use.
import type { ComponentChildren } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import type { Verdict } from '../../schema.ts';
import { printable } from '../../util/printable.ts';
import { fileLink } from '../address.ts';

/** Text of a guest, a mail or a file: without control characters. */
export function Text({ of }: { of: string }) {
  return <>{printable(of)}</>;
}

type FoldProps = {
  id?: string | undefined;
  summary: ComponentChildren;
  /** Opened when this becomes true. */
  open?: boolean;
  class?: string;
  /** Made when it is opened first. */
  children: () => ComponentChildren;
};

/** A part that is folded until the reader opens it. */
export function Fold({ id, summary, open = false, class: name = '', children }: FoldProps) {
  const [isOpen, setOpen] = useState(open);
  const [wasOpen, setWasOpen] = useState(open);
  useEffect(() => {
    if (open) setOpen(true);
  }, [open]);
  return (
    <details
      id={id}
      class={name}
      open={isOpen}
      onToggle={(event) => {
        const now = event.currentTarget.open;
        setOpen(now);
        if (now) setWasOpen(true);
      }}
    >
      <summary>{summary}</summary>
      {(isOpen || wasOpen) && children()}
    </details>
  );
}

/** A verdict as a word, in its color. */
export function VerdictWord({ verdict, hung = false }: { verdict: Verdict; hung?: boolean }) {
  return <span class={`verdict ${verdict}`}>{hung ? 'HUNG' : verdict.toUpperCase()}</span>;
}

/** A state, a kind or a status as a small word. */
export function Tag({ tone, children }: { tone: string; children: ComponentChildren }) {
  return <span class={`tag ${tone}`}>{children}</span>;
}

/** The patch behind a line, if there is one. */
export function PatchTag({ patch }: { patch: string | null | undefined }) {
  if (!patch) return null;
  return (
    <>
      {' '}
      <Tag tone="patch">
        <Text of={patch} />
      </Tag>
    </>
  );
}

/** A command line, with a button that copies it. */
export function Command({ label, text }: { label: string; text: string }) {
  const [state, setState] = useState('');
  const copy = async () => {
    setState((await copyText(text)) ? 'copied' : 'select it and copy it by hand');
    setTimeout(() => setState(''), 4000);
  };
  return (
    <div class="command">
      <span class="label">{label}</span>
      <button type="button" onClick={copy} aria-label={`Copy: ${label}`}>
        Copy
      </button>
      <span role="status">{state}</span>
      <code>
        <Text of={text} />
      </code>
    </div>
  );
}

/** The clipboard of a page that was opened from disk may be forbidden: the old way works there. */
async function copyText(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = document.createElement('textarea');
    area.value = text;
    document.body.append(area);
    area.select();
    const done = document.execCommand('copy');
    area.remove();
    return done;
  }
}

/** A link to a file of the run. */
export function FileLink({ path, name }: { path: string; name?: string }) {
  return (
    <a href={fileLink(path)} class="file">
      <Text of={name ?? path} />
    </a>
  );
}

/** The first items of many, and a button for the others. */
export function Some<T>({
  items,
  most,
  noun,
  children,
}: {
  items: readonly T[];
  most: number;
  noun: string;
  children: (items: readonly T[]) => ComponentChildren;
}) {
  const [all, setAll] = useState(false);
  const rest = items.length - most;
  return (
    <>
      {children(all ? items : items.slice(0, most))}
      {!all && rest > 0 && (
        <p>
          <button type="button" onClick={() => setAll(true)}>
            Show {rest} more {noun}
          </button>
        </p>
      )}
    </>
  );
}

/** A part that may be wider than the page: the keyboard scrolls it, too. */
export function Wide({ label, class: name = 'wide', children }: WideProps) {
  return (
    // biome-ignore lint/a11y/useSemanticElements: a fieldset is for controls
    // biome-ignore lint/a11y/noNoninteractiveTabindex: the keyboard has to scroll it
    <div class={name} role="group" tabIndex={0} aria-label={label}>
      {children}
    </div>
  );
}

type WideProps = { label: string; class?: string; children: ComponentChildren };

/** Text as it was printed, or lines that are made of it. */
export function Printed({ text, label, children }: PrintedProps) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: the keyboard has to scroll it
    <pre tabIndex={0} {...(label === undefined ? {} : { role: 'group', 'aria-label': label })}>
      {text !== undefined && <Text of={text} />}
      {children}
    </pre>
  );
}

type PrintedProps = { text?: string; label?: string; children?: ComponentChildren };
