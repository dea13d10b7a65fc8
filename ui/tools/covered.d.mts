import type { Page } from 'playwright-core';

export interface Size {
  width: number;
  height: number;
}
export interface Look {
  viewport: Size;
  lang: string;
  text: string;
}
export const EDGES: Size[];
export const LANGUAGES: string[];
export const TEXTS: string[];
export function seeded(count: number, scenes: string[], seed: number): (Look & { scene: string })[];
export function coveredIn(
  page: Page,
  url: string,
  name: string,
  scene: { hash?: string; press?: string[] },
  how: Look & { worst?: boolean; theme?: string },
): Promise<string[]>;
