// SPDX-License-Identifier: MIT
// What the reader looks at, and how the parts of the page change it.
import type { ComponentChildren } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import type { PageData } from '../../report/pageData.ts';
import { type Address, formatAddress, parseAddress } from '../address.ts';

/** What all parts of the page may need. */
export type Page = { data: PageData; address: Address; go: (to: Partial<Address>) => void };

/** The address, and how it is changed. A change of the query adds no entry to the browser's history. */
export function useAddress() {
  const [address, setAddress] = useState(() => parseAddress(location.hash));
  useEffect(() => {
    const read = () => setAddress(parseAddress(location.hash));
    addEventListener('hashchange', read);
    return () => removeEventListener('hashchange', read);
  }, []);
  const go = (to: Partial<Address>) => {
    const next = { ...address, ...to };
    if (to.at === undefined) history.replaceState(null, '', formatAddress(next));
    else location.hash = formatAddress(next);
    setAddress(next);
    if (to.at !== undefined && to.at === address.at) goTo(to.at);
  };
  return { address, go };
}

/** Scroll to an element, and put the keyboard's focus there. It may only just be coming into being. */
export function goTo(id: string): void {
  if (id === '') return;
  let tries = 10;
  const attempt = () => {
    const element = document.getElementById(id);
    if (!element) {
      if (tries-- > 0) requestAnimationFrame(attempt);
      return;
    }
    element.scrollIntoView({ block: id.startsWith('file:') ? 'center' : 'start' });
    const focusable = element.matches('details') ? element.querySelector('summary') : element;
    (focusable as HTMLElement | null)?.focus({ preventScroll: true });
  };
  requestAnimationFrame(attempt);
}

/** A link within the page, which keeps the filter. */
export function Jump({ page, to, children }: { page: Page; to: string; children: ComponentChildren }) {
  return (
    <a
      href={formatAddress({ ...page.address, at: to })}
      onClick={(event) => {
        if (event.ctrlKey || event.metaKey || event.shiftKey) return;
        event.preventDefault();
        page.go({ at: to });
      }}
    >
      {children}
    </a>
  );
}
