import { chromium } from 'playwright-core';

export const SIZES = { phone: { width: 360, height: 640 }, desktop: { width: 1280, height: 800 } };
/** What pictures are taken in where all are wanted. */
export const ALL_SIZES = { ...SIZES, tall: { width: 390, height: 844 }, tablet: { width: 768, height: 1024 }, wide: { width: 1920, height: 1080 } };

/** Chromium of the system; another one by POSTERN_CHROMIUM. */
export function launch() {
  return chromium.launch({
    executablePath: process.env.POSTERN_CHROMIUM ?? '/usr/bin/chromium',
    args: ['--no-sandbox', '--font-render-hinting=none'],
  });
}

/** Shows a scene of the recorded page; resolves when it stands still. */
export async function openScene(page, url, name, scene, { theme = 'light', lang = 'en', text = '100', gesture = 'hold' } = {}) {
  const look = { theme, lang, text, gesture };
  if (page.url().startsWith(`${url}/recorded.html`)) {
    await page.waitForFunction(() => window.showScene !== undefined);
    await page.evaluate(([wanted, how]) => window.showScene(wanted, how), [name, look]);
  } else {
    await page.goto(`${url}/recorded.html?${new URLSearchParams({ scene: name, ...look })}${scene.hash ?? ''}`);
    await page.waitForSelector('#app > *', { state: 'attached' });
  }
  for (const testid of scene.press ?? []) await page.getByTestId(testid).click();
  await page.evaluate(async () => {
    await document.fonts.ready;
    // What comes in has come in; what goes on for ever is not waited for.
    const ending = document.getAnimations().filter((one) => one.effect?.getComputedTiming().endTime !== Infinity);
    await Promise.allSettled(ending.map((one) => one.finished));
  });
}
