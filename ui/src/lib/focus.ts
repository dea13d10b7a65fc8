/**
 * Where the keyboard and the screen reader are. The focus goes into what lies over the page, comes back from there, follows
 * each change of screen, and is never lost with an element that went away.
 */

/** What was pressed last: WebKit on a Mac gives the focus to no button that a finger or a mouse pressed. */
let pressed: HTMLElement | null = null;
/** What had the focus last. */
let last: HTMLElement | null = null;

const FOCUSABLE = 'a[href], button, input, select, textarea, summary, [tabindex]';

function usable(element: HTMLElement | null): element is HTMLElement {
  return element !== null && element.isConnected && !element.matches(':disabled') && element.closest('[inert]') === null && element.checkVisibility();
}

function nowhere(): boolean {
  const active = document.activeElement;
  return active === null || active === document.body || active === document.documentElement;
}

/** The heading of what lies uppermost: a dialog, an opening, else the screen itself. */
function heading(): HTMLElement | null {
  const dialog = [...document.querySelectorAll('dialog[open]')].at(-1);
  const over = dialog ?? document.querySelector('[aria-modal="true"]');
  if (over) return over.querySelector<HTMLElement>('h1, h2');
  const headings = [...document.querySelectorAll<HTMLElement>('main [data-screen]')];
  return headings.find((one) => one.checkVisibility()) ?? document.querySelector<HTMLElement>('main h1');
}

function put(element: HTMLElement | null, scroll = true): void {
  if (!element) return;
  if (!element.matches(FOCUSABLE)) element.tabIndex = -1;
  element.focus({ preventScroll: !scroll });
}

/** Gives the focus to the heading of what is shown now, without a ring: a screen reader begins to read there. */
export function focusScreen(): void {
  const one = heading();
  if (one) put(one, false);
  else later(FRAMES);
}

/** A part of the page may come a moment after its place (Later.svelte). */
const FRAMES = 30;
function later(left: number): void {
  requestAnimationFrame(() => {
    const one = heading();
    if (one) put(one, false);
    else if (left > 0) later(left - 1);
  });
}

/** What has the focus now, or was pressed just now, to come back to. */
export function present(): HTMLElement | null {
  if (!nowhere() && document.activeElement instanceof HTMLElement) return document.activeElement;
  // What had it may have gone just now; something may take its place (comeBack).
  return usable(pressed) ? pressed : last;
}

/** Gives the focus back, to what took the place of what had it, or to the screen where nothing did. */
export function comeBack(to: HTMLElement | null): void {
  const name = to?.dataset['testid'];
  requestAnimationFrame(() => {
    const again = name === undefined ? null : document.querySelector<HTMLElement>(`[data-testid="${CSS.escape(name)}"]`);
    if (usable(to)) put(to);
    else if (usable(again)) put(again);
    else if (nowhere()) focusScreen();
  });
}

/** Looks after the focus from now on. */
export function keepFocus(): void {
  document.addEventListener('pointerdown', (event) => (pressed = event.target instanceof Element ? event.target.closest<HTMLElement>(FOCUSABLE) : null), true);
  document.addEventListener('focusin', (event) => (last = event.target instanceof HTMLElement ? event.target : null));
  // Nothing is heard of a focused element that goes away or cannot be used any more.
  const lost = () => {
    if (nowhere() && last !== null && !usable(last)) {
      last = null;
      focusScreen();
    }
  };
  new MutationObserver(lost).observe(document.body, { childList: true, subtree: true, attributes: true, attributeFilter: ['disabled', 'inert'] });
}
