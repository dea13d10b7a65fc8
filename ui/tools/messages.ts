import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { parse, TYPE } from '@formatjs/icu-messageformat-parser';
import type { Plugin } from 'vite';

/**
 * Parses the ICU messages when the page is built: plain words stay a string, the rest becomes the syntax tree that
 * intl-messageformat takes. So the parser, a third of that library, does not travel with the page. Every language but
 * English is the messages alone, in the order of the English ones, so that the keys travel once.
 */
export function messagesPlugin(): Plugin {
  return {
    name: 'postern-messages',
    enforce: 'pre',
    transform: {
      filter: { id: /\/i18n\/[a-z]+\.json$/ },
      handler(code, id) {
        const words = JSON.parse(code) as Record<string, string>;
        const english = join(dirname(id), 'en.json');
        const keys = Object.keys(JSON.parse(readFileSync(english, 'utf8')) as object);
        const odd = [...keys.filter((key) => !(key in words)), ...Object.keys(words).filter((key) => !keys.includes(key))];
        if (keys.length === 0 || odd.length > 0) throw new Error(`${id} and English do not have the same messages: ${odd.join(', ')}`);
        const compiled = keys.map((key) => {
          const tree = parse(words[key] ?? '', { ignoreTag: true, captureLocation: false });
          const [only] = tree;
          return tree.length === 1 && only?.type === TYPE.literal ? only.value : tree;
        });
        this.addWatchFile(english);
        const shipped = id === english ? Object.fromEntries(keys.map((key, at) => [key, compiled[at]])) : compiled;
        return { code: `export default ${JSON.stringify(shipped)}`, map: null, moduleType: 'js' };
      },
    },
  };
}
