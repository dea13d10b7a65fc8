import { fileURLToPath } from 'node:url';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { afterAll, beforeAll } from 'vitest';
import { scenes } from '../../fixtures/scenes';
import { launch, openScene, SIZES } from '../../tools/page.mjs';
import { serve } from '../../tools/serve.mjs';

export interface Look {
  theme?: 'system' | 'light' | 'dark';
  lang?: string;
  text?: string;
  gesture?: string;
}

/** The recorded page in a real browser, under the window's content security policy. */
export interface Harness {
  /** A page of its own, with everything that must not happen collected in `faults`. */
  page(options?: BrowserContextOptions): Promise<Page & { faults: string[] }>;
  show(page: Page, scene: string, look?: Look): Promise<void>;
  url: string;
}

/** Starts browser and server once for a file of tests. */
export function harness(): Harness {
  let browser: Browser;
  let server: { url: string; close: () => Promise<unknown> };
  const self: Harness = {
    url: '',
    async page(options = {}) {
      const context = await browser.newContext({
        viewport: SIZES.phone,
        timezoneId: 'Europe/Berlin',
        locale: 'en-GB',
        reducedMotion: 'reduce',
        ...options,
      });
      // The window freezes Object.prototype (tauri.conf.json, freezePrototype); so does this page.
      await context.addInitScript(() => {
        Object.freeze(Object.prototype);
        document.addEventListener('securitypolicyviolation', (event) =>
          console.error(`policy: ${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}:${event.lineNumber}`),
        );
      });
      const page = await context.newPage();
      const faults: string[] = [];
      page.on('pageerror', (error) => faults.push(`error: ${error.message}`));
      page.on('console', (message) => {
        if (message.type() === 'error') faults.push(`console: ${message.text()}`);
      });
      return Object.assign(page, { faults });
    },
    async show(page, scene, look = {}) {
      const found = scenes[scene];
      if (!found) throw new Error(`no scene ${scene}`);
      await openScene(page, self.url, scene, found, look);
    },
  };
  beforeAll(async () => {
    server = await serve(fileURLToPath(new URL('../../dist-recorded', import.meta.url)));
    browser = await launch();
    self.url = server.url;
  });
  afterAll(async () => {
    await browser?.close();
    await server?.close();
  });
  return self;
}

/**
 * What of the page is wider than the screen or cut off, and the window itself where it could be scrolled: bringing
 * something into view would shift navigation and strips out of it. Hidden helpers for screen readers do not count.
 */
export function overflow(page: Page): Promise<string[]> {
  return page.evaluate(() => {
    const found: string[] = [];
    const width = document.documentElement.clientWidth;
    const name = (element: Element) =>
      `${element.tagName.toLowerCase()}.${element.getAttribute('class') ?? ''} "${(element.textContent ?? '').trim().slice(0, 40)}"`;
    for (const element of document.querySelectorAll('body *')) {
      if (element.closest('.unseen, svg, [inert]') || element.matches('script, option, canvas')) continue;
      const style = getComputedStyle(element);
      if (style.visibility === 'hidden' || style.display === 'none') continue;
      const box = element.getBoundingClientRect();
      if (box.width === 0 || box.height === 0) continue;
      // Rows of long lists have one height and end in an ellipsis; their detail has the whole text.
      if ((box.right > width + 1 || box.left < -1) && !element.closest('[aria-hidden="true"], .fixed')) found.push(`outside: ${name(element)}`);
      // Something may reach over the edge of its parent on purpose; text may not, and nothing may be cut off.
      // What is written in a field moves along with the cursor.
      const cuts = (style.overflowX !== 'visible' || element.childElementCount === 0) && !element.matches('input');
      if (cuts && element.scrollWidth > element.clientWidth + 1 && element.clientWidth > 0 && style.display !== 'inline' && !element.closest('[aria-hidden="true"], .fixed, pre')) {
        found.push(`too wide by ${element.scrollWidth - element.clientWidth}: ${name(element)}`);
      }
    }
    const { scrollHeight, clientHeight } = document.documentElement;
    if (scrollHeight > clientHeight + 1) found.push(`the window scrolls by ${scrollHeight - clientHeight}`);
    return [...new Set(found)].slice(0, 8);
  });
}

/** Controls smaller than 44 px either way. Links inside a sentence may be as high as their line (WCAG 2.5.8). */
export function smallTargets(page: Page): Promise<string[]> {
  return page.evaluate(() => {
    const found: string[] = [];
    for (const element of document.querySelectorAll('button, a, input, select, textarea, summary, [role=button], [role=switch]')) {
      if (element.closest('[inert]')) continue;
      const target = element.matches('input[type=radio], input[type=checkbox], input[type=file], input[type=search]') ? (element.closest('label') ?? element) : element;
      const box = target.getBoundingClientRect();
      if (box.width === 0) continue;
      if (box.width < 43.5 || box.height < 43.5) found.push(`${element.tagName} ${Math.round(box.width)}x${Math.round(box.height)} "${(target.textContent ?? '').trim().slice(0, 30)}"`);
    }
    return found;
  });
}

/** Words that are broken inside: no reader should have to put them together again. What has no place to break may (addresses). */
export function brokenWords(page: Page): Promise<string[]> {
  return page.evaluate(() => {
    const found: string[] = [];
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
      const parent = node.parentElement;
      if (!parent || parent.closest('.unseen, .mono, script, style, option, svg, [inert], [aria-hidden=true], textarea') || !parent.checkVisibility({ visibilityProperty: true })) continue;
      for (const { 0: word, index } of (node.textContent ?? '').matchAll(/[\p{L}\p{N}’]{2,28}/gu)) {
        // An address has no other place to break.
        const text = node.textContent ?? '';
        const token = text.slice(0, index).split(/\s/).at(-1)! + text.slice(index).split(/\s/)[0]!;
        if (token.length > 16 && /[.@/]/.test(token.slice(0, -1))) continue;
        const range = document.createRange();
        range.setStart(node, index);
        range.setEnd(node, index + word.length);
        const lines = new Set([...range.getClientRects()].filter((box) => box.width > 0).map((box) => Math.round(box.top)));
        if (lines.size > 1) found.push(`${word} in ${parent.tagName.toLowerCase()}.${parent.className}`);
      }
    }
    return [...new Set(found)].slice(0, 8);
  });
}
