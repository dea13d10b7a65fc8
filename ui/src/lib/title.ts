import { brand } from 'virtual:brand';
import { clean } from './untrusted';

/** What the page is called, what lies uppermost last. */
const names: { words: string }[] = [];

function write(): void {
  const words = names.at(-1)?.words;
  document.title = words ? `${words} · ${brand.name}` : brand.name;
}

/** Names what is shown, until what is answered is called. Screen readers read it when it changes. */
export function name(words: string): () => void {
  const one = { words: clean(words, 120) };
  names.push(one);
  write();
  return () => {
    names.splice(names.indexOf(one), 1);
    write();
  };
}
