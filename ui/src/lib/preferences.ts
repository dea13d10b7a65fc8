import { brand } from 'virtual:brand';
import { MAPS, type Maps } from './maps';
import { choose, isLanguage, type Language } from './i18n/i18n.svelte';

/** What belongs to this page and not to the core: how it looks and how a door is asked for. */
export interface Preferences {
  language: Language;
  theme: 'system' | 'light' | 'dark';
  text: '100' | '125' | '150' | '200';
  gesture: 'hold' | 'confirm';
  /** Whose maps show the way; empty until that was asked. */
  maps: Maps | '';
  /** Base URL of the network that the next sign-in is at; empty where it is the one that the app came with. */
  network: string;
}

const KEY = 'preferences';

function oneOf<T extends string>(value: unknown, allowed: readonly T[], usual: T): T {
  return allowed.find((candidate) => candidate === value) ?? usual;
}

/** Reads what was stored; whatever is missing or odd becomes the usual. */
export function loadPreferences(): Preferences {
  let stored: Record<string, unknown> = {};
  try {
    stored = JSON.parse(localStorage.getItem(KEY) ?? '{}') as Record<string, unknown>;
  } catch {
    // No storage, or not ours: the usual.
  }
  const wanted = typeof stored['language'] === 'string' ? stored['language'] : '';
  return {
    language:
      isLanguage(wanted) && brand.languages.includes(wanted) ? wanted : choose(navigator.languages, brand.languages),
    theme: oneOf(stored['theme'], ['system', 'light', 'dark'], 'system'),
    text: oneOf(stored['text'], ['100', '125', '150', '200'], '100'),
    gesture: oneOf(stored['gesture'], ['hold', 'confirm'], 'hold'),
    maps: oneOf(stored['maps'], ['', ...MAPS], ''),
    // The core looks at it before it asks there.
    network: typeof stored['network'] === 'string' ? stored['network'] : '',
  };
}

/** Stores them; without storage they hold until the app ends. */
export function savePreferences(preferences: Preferences): void {
  try {
    localStorage.setItem(KEY, JSON.stringify(preferences));
  } catch {
    // Private mode or full: nothing to do.
  }
}
