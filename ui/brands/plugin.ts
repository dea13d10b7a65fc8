import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Plugin } from 'vite';

/** What a brand's folder says. The rest of the look is the same for every brand. */
export interface Brand {
  /** What the app is called. */
  name: string;
  /** Reverse domain name of the installed app; two brands on one machine must differ in it. */
  identifier: string;
  /** Base URL of the operator's hub, or null for the one that the app was configured with. */
  hub: string | null;
  /** Languages offered, first one is the fall-back; a subset of src/lib/i18n. */
  languages: string[];
  /** Colours that differ from src/styles/tokens.css, per theme. Checked by tests/unit/contrast.test.ts. */
  colours: { light: Record<string, string>; dark: Record<string, string> };
}

const COLOUR = /^#[0-9a-f]{6}$/i;
const TOKEN = /^[a-z]+(-[a-z]+)*$/;

/** Reads and checks a brand's folder. Throws where a colour or token would not be plain CSS. */
export function readBrand(name: string): Brand {
  if (!TOKEN.test(name)) throw new Error(`brand name "${name}" is not a folder name`);
  const path = fileURLToPath(new URL(`./${name}/brand.json`, import.meta.url));
  const brand = JSON.parse(readFileSync(path, 'utf8')) as Brand;
  for (const theme of ['light', 'dark'] as const) {
    for (const [token, value] of Object.entries(brand.colours[theme])) {
      if (!TOKEN.test(token) || !COLOUR.test(value)) throw new Error(`${name}: bad colour ${token}: ${value}`);
    }
  }
  return brand;
}

/** Custom properties of a brand; `:root:root` wins over tokens.css whatever the order of the files. */
export function brandCss(brand: Brand): string {
  const block = (selector: string, colours: Record<string, string>) =>
    `${selector}{${Object.entries(colours)
      .map(([token, value]) => `--${token}:${value}`)
      .join(';')}}`;
  return block(':root:root', brand.colours.light) + block(":root:root[data-theme='dark']", brand.colours.dark);
}

/** Gives the page `virtual:brand` (facts), `virtual:brand.css` (colours) and its title. */
export function brandPlugin(name: string): Plugin {
  const brand = readBrand(name);
  const logo = fileURLToPath(new URL(`./${name}/logo.svg`, import.meta.url));
  return {
    name: 'postern-brand',
    resolveId(id) {
      if (id === 'virtual:brand' || id === 'virtual:brand.css') return `\0${id}`;
      return undefined;
    },
    load(id) {
      if (id === '\0virtual:brand.css') return brandCss(brand);
      if (id !== '\0virtual:brand') return undefined;
      const { name: title, hub, languages } = brand;
      return `import logo from ${JSON.stringify(`${logo}?url`)};
export const brand = ${JSON.stringify({ name: title, hub, languages })};
export { logo };`;
    },
    transformIndexHtml(html) {
      return html.replaceAll('%BRAND%', brand.name.replace(/[<&]/g, ''));
    },
  };
}
