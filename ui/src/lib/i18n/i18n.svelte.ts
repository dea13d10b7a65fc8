import { IntlMessageFormat } from 'intl-messageformat';
import { isolated } from '../untrusted';
import en from './en.json';

/** Keys of all messages. */
export type MessageKey = keyof typeof en;
/** Languages that the app speaks. */
export type Language = 'en' | 'de' | 'pl' | 'uk';
/** Words that this page put together itself. */
export class Own {
  constructor(readonly words: string) {}
}

/** Marks words of this page (a date, other messages) as its own, so that they are not treated as untrusted. */
export function own(words: string): Own {
  return new Own(words);
}

/** Values of a message. A plain string is untrusted: it is cleaned and isolated. */
export type Values = Record<string, string | number | Own>;

/** As tools/messages.ts leaves them: words, or the syntax tree of a message with values. */
type Messages = Record<MessageKey, ConstructorParameters<typeof IntlMessageFormat>[0]>;

/** Of another language tools/messages.ts leaves the messages alone, in the order of the English ones. */
async function inOrder(loading: Promise<{ default: unknown }>): Promise<Messages> {
  const words = Object.values((await loading).default as object);
  return Object.fromEntries(Object.keys(en).map((key, at) => [key, words[at]])) as Messages;
}

const LOADERS: Record<Language, () => Promise<Messages>> = {
  en: async () => en,
  de: () => inOrder(import('./de.json')),
  pl: () => inOrder(import('./pl.json')),
  uk: () => inOrder(import('./uk.json')),
};

/** Names of the languages in themselves. */
export const LANGUAGE_NAMES: Record<Language, string> = {
  en: 'English',
  de: 'Deutsch',
  pl: 'Polski',
  uk: 'Українська',
};

let messages = $state.raw<Messages>(en);
let language = $state<Language>('en');
let locale = $state('en-GB');
const formats = new Map<string, IntlMessageFormat>();

/** Whether this is one of ours. */
export function isLanguage(code: string): code is Language {
  return Object.hasOwn(LOADERS, code);
}

/** Loads and switches. */
export async function useLanguage(code: Language): Promise<void> {
  const loaded = await LOADERS[code]();
  formats.clear();
  messages = loaded;
  language = code;
  locale = regional(code);
  document.documentElement.lang = code;
}

/** The language in use. */
export function currentLanguage(): Language {
  return language;
}

/** The customer's own region for this language where the system names one: `en-AU` writes other dates than `en-US`. */
function regional(code: Language): string {
  const named = navigator.languages.find((tag) => tag.toLowerCase().startsWith(`${code}-`));
  return named ?? (code === 'en' ? 'en-GB' : code);
}

/** Language and region in use, for dates and numbers. */
export function currentLocale(): string {
  return locale;
}

/** The first of the preferred languages that is offered, else the first offered. */
export function choose(preferred: readonly string[], offered: readonly string[]): Language {
  const usable = offered.filter(isLanguage);
  for (const tag of preferred) {
    const found = usable.find((code) => code === tag.toLowerCase().split('-')[0]);
    if (found) return found;
  }
  return usable[0] ?? 'en';
}

/** The words for a key. */
export function t(key: MessageKey, values: Values = {}): string {
  // Read before the cache is asked, so that whatever shows these words is drawn anew when the language changes.
  const words = messages[key];
  if (typeof words === 'string') return words;
  let format = formats.get(key);
  if (!format) {
    format = new IntlMessageFormat(words, locale, undefined, { ignoreTag: true });
    formats.set(key, format);
  }
  const safe: Record<string, string | number> = {};
  for (const [name, value] of Object.entries(values)) {
    safe[name] = typeof value === 'string' ? isolated(value) : value instanceof Own ? value.words : value;
  }
  return format.format(safe) as string;
}


/** The words for a key that is put together from a code, or for `fallback` where the code is newer than this page. */
export function tCode(prefix: string, code: string, fallback: MessageKey, values: Values = {}): string {
  const key = `${prefix}.${code}`;
  return t(Object.hasOwn(messages, key) ? (key as MessageKey) : fallback, values);
}
