import type { Browser, Page } from 'playwright-core';
export const SIZES: { phone: { width: number; height: number }; desktop: { width: number; height: number } };
export function launch(): Promise<Browser>;
export function openScene(
  page: Page,
  url: string,
  name: string,
  scene: { hash?: string | undefined; press?: string[] | undefined },
  look?: { theme?: string; lang?: string; text?: string; gesture?: string },
): Promise<void>;
