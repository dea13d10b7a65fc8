import { openScene } from './page.mjs';

/** Widths and heights at the ends of what the app promises, CSS pixels. */
export const EDGES = [320, 899, 900, 1920].flatMap((width) => [560, 1000].map((height) => ({ width, height })));
export const LANGUAGES = ['en', 'de', 'pl', 'uk'];
export const TEXTS = ['100', '200'];

/** A row of numbers from 0 to 1 that is the same for the same seed (mulberry32). */
export function numbers(seed) {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let word = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    word = (word + Math.imul(word ^ (word >>> 7), 61 | word)) ^ word;
    return ((word ^ (word >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** As many sizes as wanted, each with a scene, a language and a text size. */
export function seeded(count, scenes, seed) {
  const next = numbers(seed);
  const one = (list) => list[Math.floor(next() * list.length)];
  return Array.from({ length: count }, () => ({
    scene: one(scenes),
    lang: one(LANGUAGES),
    text: one(TEXTS),
    viewport: { width: 320 + Math.floor(next() * 1601), height: 560 + Math.floor(next() * 441) },
  }));
}

/** Everything that may come by itself has come: two strips and a notice at the foot, and something is said. */
const WORST = {
  network: { state: 'offline', since: null },
  bluetooth: 'off',
  outbox: [{ id: 901, what: 'extend', reservation: null, problem: null }],
  notices: [
    { id: 901, code: 'delivered', reservation: null },
    { id: 902, code: 'storeHealed', reservation: null },
  ],
};

/** Shows a scene, with all that may come by itself or without, and says what lies over something that matters. */
export async function coveredIn(page, url, name, scene, { viewport, worst = true, ...look }) {
  await page.setViewportSize(viewport);
  await openScene(page, url, name, { ...scene, press: [] }, look);
  if (worst) {
    await page.evaluate((change) => window.recorded.patch(change), WORST);
    await page.waitForFunction(() => document.querySelector('[data-testid=said].visible, [data-testid=said-in-sheet].visible, [data-testid=opening]') !== null || !document.querySelector('[data-testid=offline-strip]'));
  }
  for (const testid of scene.press ?? []) await page.getByTestId(testid).evaluate((one) => one.click());
  return page.evaluate(look_);
}

/** Runs in the page. */
async function look_() {
  const found = new Set();
  // What lets the finger through covers all the same; the first row of a long list is air (LongList.svelte).
  const style = new CSSStyleSheet();
  style.replaceSync('*:not([data-testid=long-list], .before, .heading) { pointer-events: auto !important; animation: none !important; transition: none !important }');
  document.adoptedStyleSheets = [style];
  const MATTERS = '.hold, button, a[href], input, select, textarea, summary, [data-testid=pin], [data-testid=opening-pin], [data-testid^=qr], h1, h2, h3';
  const words = (element) => `${element.getAttribute('data-testid') ?? element.tagName.toLowerCase()}.${(element.getAttribute('class') ?? '').split(' ')[0]} "${(element.textContent ?? '').trim().slice(0, 24)}"`;

  /** What of an element is in sight: its box, cut by whatever scrolls or clips around it. */
  function inSight(element) {
    const box = element.getBoundingClientRect();
    let { left, top, right, bottom } = box;
    for (let around = element.parentElement; around; around = around.parentElement) {
      const how = getComputedStyle(around);
      if (how.overflowX !== 'visible' || how.overflowY !== 'visible') {
        const edge = around.getBoundingClientRect();
        left = Math.max(left, edge.left + around.clientLeft);
        top = Math.max(top, edge.top + around.clientTop);
        right = Math.min(right, edge.left + around.clientLeft + around.clientWidth);
        bottom = Math.min(bottom, edge.top + around.clientTop + around.clientHeight);
      }
      if (how.position === 'fixed') break;
    }
    return { left: Math.max(0, left), top: Math.max(0, top), right: Math.min(innerWidth, right), bottom: Math.min(innerHeight, bottom), box };
  }

  function shown(element) {
    if (element.closest('[inert], .unseen') || !element.checkVisibility({ visibilityProperty: true, opacityProperty: true })) return false;
    const open = document.querySelector('dialog[open]');
    return !open || open.contains(element);
  }

  /** How much of what is in sight lies under something else, and under what. */
  function under(element) {
    const seen = inSight(element);
    const width = seen.right - seen.left;
    const height = seen.bottom - seen.top;
    if (width < 4 || height < 4) return null;
    let hidden = 0;
    let over = null;
    const ACROSS = 7;
    for (let x = 0; x < ACROSS; x += 1) {
      for (let y = 0; y < ACROSS; y += 1) {
        // Round corners are not the element's.
        if (x % (ACROSS - 1) === 0 && y % (ACROSS - 1) === 0) continue;
        const [at, down] = [seen.left + 2 + ((width - 4) * x) / (ACROSS - 1), seen.top + 2 + ((height - 4) * y) / (ACROSS - 1)];
        const hit = document.elementFromPoint(at, down);
        if (!hit || hit.contains(element) || element.contains(hit) || hit.closest('label, [role=button]')?.contains(element)) continue;
        hidden += 1;
        over = hit;
      }
    }
    return hidden > 0 ? { share: hidden / ACROSS ** 2, over } : null;
  }

  function check(when) {
    for (const element of document.querySelectorAll(MATTERS)) {
      if (!shown(element)) continue;
      // What is said to eyes is drawn by the label around it.
      const target = element.matches('input.unseen') ? element.closest('label') : element;
      const covered = under(target);
      if (covered) found.add(`${when}: ${Math.round(covered.share * 100)} % of ${words(target)} under ${words(covered.over)}`);
    }
  }

  const scrollers = [...document.querySelectorAll('*')].filter((one) => one.scrollHeight > one.clientHeight + 1 && /auto|scroll/.test(getComputedStyle(one).overflowY) && one.checkVisibility());
  for (const [when, share] of [['at the start', 0], ['in the middle', 0.5], ['at the end', 1]]) {
    for (const one of scrollers) one.scrollTop = share * (one.scrollHeight - one.clientHeight);
    check(when);
    if (scrollers.length === 0) break;
  }
  for (const one of scrollers) one.scrollTop = 0;

  // The gesture of a detail or of the locker in front is whole in sight, wherever the page was scrolled to.
  const large = Number(document.documentElement.dataset.text) > 100;
  for (const hold of document.querySelectorAll(`[data-testid=detail] .foot .hold${large ? '' : ', [data-testid=open-nearby]'}`)) {
    if (!shown(hold)) continue;
    const seen = inSight(hold);
    if (seen.box.bottom - seen.bottom > 1 || seen.top - seen.box.top > 1) found.add(`the gesture ${words(hold)} is cut by ${Math.round(seen.box.bottom - seen.bottom)} px`);
  }

  // Whatever takes the focus is brought into sight, whole where it fits, and under nothing.
  const focusable = [...document.querySelectorAll('button, a[href], input, select, textarea, summary, [tabindex]')].filter((one) => !one.disabled && one.tabIndex >= 0 && shown(one));
  const step = Math.max(1, Math.floor(focusable.length / 30));
  for (let at = 0; at < focusable.length; at += step) {
    const one = focusable[at];
    one.focus();
    if (document.activeElement !== one) continue;
    const target = one.matches('input.unseen') ? one.closest('label') : one.matches('g') ? one.querySelector('rect') : one;
    const covered = under(target);
    if (covered) found.add(`focused: ${Math.round(covered.share * 100)} % of ${words(target)} under ${words(covered.over)}`);
    const seen = inSight(target);
    if (seen.box.height > 0 && seen.bottom - seen.top < Math.min(seen.box.height * 0.9, 24)) found.add(`focused and out of sight: ${words(target)}`);
  }
  document.adoptedStyleSheets = [];
  return [...found].slice(0, 12);
}
