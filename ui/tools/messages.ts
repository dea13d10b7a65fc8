import { parse, TYPE } from '@formatjs/icu-messageformat-parser';
import type { Plugin } from 'vite';

/**
 * Parses the ICU messages when the page is built: plain words stay a string, the rest becomes the syntax tree that
 * intl-messageformat takes. So the parser, a third of that library, does not travel with the page.
 */
export function messagesPlugin(): Plugin {
  return {
    name: 'postern-messages',
    enforce: 'pre',
    transform: {
      filter: { id: /\/i18n\/[a-z]+\.json$/ },
      handler(code, id) {
        const compiled = Object.entries(JSON.parse(code) as Record<string, string>).map(([key, words]) => {
          const tree = parse(words, { ignoreTag: true, captureLocation: false });
          const [only] = tree;
          if (tree.length === 1 && only?.type === TYPE.literal) return [key, only.value];
          return [key, tree];
        });
        if (compiled.length === 0) throw new Error(`${id} has no messages`);
        return { code: `export default ${JSON.stringify(Object.fromEntries(compiled))}`, map: null, moduleType: 'js' };
      },
    },
  };
}
