import { readdirSync, readFileSync, statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { join } from 'node:path';
import { IntlMessageFormat } from 'intl-messageformat';
import { parse as parseMessage, TYPE, type MessageFormatElement } from '@formatjs/icu-messageformat-parser';
import { parse } from 'svelte/compiler';
import { describe, expect, test } from 'vitest';

/** The files as translators write them, not as the build compiles them. */
function source(language: string): Record<string, string> {
  return JSON.parse(readFileSync(new URL(`../../src/lib/i18n/${language}.json`, import.meta.url), 'utf8')) as Record<string, string>;
}
const en = source('en');
const ALL: Record<string, Record<string, string>> = { en, de: source('de'), pl: source('pl'), uk: source('uk') };
const src = fileURLToPath(new URL('../../src', import.meta.url));

function files(folder: string): string[] {
  return readdirSync(folder).flatMap((name) => {
    const path = join(folder, name);
    return statSync(path).isDirectory() ? files(path) : [path];
  });
}

function walk(elements: MessageFormatElement[], visit: (element: MessageFormatElement) => void): void {
  for (const element of elements) {
    visit(element);
    if (element.type === TYPE.plural || element.type === TYPE.select) {
      for (const option of Object.values(element.options)) walk(option.value, visit);
    }
  }
}

function values(message: string): string[] {
  const found = new Set<string>();
  walk(parseMessage(message, { ignoreTag: true }), (element) => {
    if (element.type !== TYPE.literal && element.type !== TYPE.pound && 'value' in element) found.add(element.value);
  });
  return [...found].sort();
}

describe.each(Object.keys(ALL))('%s', (language) => {
  const messages = ALL[language]!;

  test('has every message and no other', () => {
    expect(Object.keys(messages).sort()).toEqual(Object.keys(en).sort());
  });

  test('no message is empty', () => {
    expect(Object.entries(messages).filter(([, words]) => words.trim() === '')).toEqual([]);
  });

  test('uses no value that the English message does not have, and leaves none out', () => {
    for (const [key, words] of Object.entries(messages)) {
      const own = values(words);
      const english = values(en[key]!);
      // A plural may say its number in words ("one parcel"), so `label` may be missing from a branch but not altogether.
      expect({ key, values: own }).toEqual({ key, values: english });
    }
  });

  test('has all plural forms of its language', () => {
    for (const [key, words] of Object.entries(messages)) {
      walk(parseMessage(words, { ignoreTag: true }), (element) => {
        if (element.type !== TYPE.plural) return;
        const type = element.pluralType === 'ordinal' ? 'ordinal' : 'cardinal';
        const wanted = new Intl.PluralRules(language, { type }).resolvedOptions().pluralCategories;
        expect({ key, forms: Object.keys(element.options) }).toEqual({ key, forms: expect.arrayContaining(wanted) });
      });
    }
  });

  test('every message formats', () => {
    const given = new Proxy({}, { get: (_, name) => (/count|number|index|total|step|steps|days|hours|minutes|seconds|times|free|^n$/.test(String(name)) ? 2 : 'X'), has: () => true });
    for (const words of Object.values(messages)) {
      expect(new IntlMessageFormat(words, language, undefined, { ignoreTag: true }).format(given as Record<string, string>)).toBeTypeOf('string');
    }
  });

  test('is not English left standing', () => {
    if (language === 'en') return;
    const same = Object.entries(messages).filter(([key, words]) => words === en[key] && /[a-z]{3}/i.test(words.replace(/\{[^}]*\}/g, '')));
    // Words that are the same in that language.
    const allowed = new Set(['settings.bluetooth', 'settings.name', 'find.filters', 'activity.export', 'activity.hub', 'card.show', 'activity.details', 'about.version', 'report.note', 'maps.apple', 'maps.google', 'maps.osm', 'settings.hub', 'settings.hubState']);
    expect(same.map(([key]) => key).filter((key) => !allowed.has(key))).toEqual([]);
  });
});

/** Who is spoken to, and by which one word a thing is called. What each language must not say, and why. */
const MIXED: Record<string, { never: RegExp; because: string }[]> = {
  en: [
    { never: /somebody/i, because: 'someone is what people say' },
    { never: /\b(is|are|do|does|did|could|would|has|have|was) not\b|\bcannot\b/i, because: 'contractions' },
  ],
  de: [
    { never: /(?<=[\p{L},] )(Sie|Ihnen)(?!\p{L})|(?<!\p{L})Ihr(e[mnrs]?)?(?!\p{L})/u, because: 'du' },
    { never: /Optionen|Aktivität|buchen|Buchung/i, because: 'Einstellungen, Verlauf, reservieren' },
    { never: /Türen|Tür \{|Tür (frei|öffnen|reservieren)/, because: 'Fach; the Tür is only what is shut' },
  ],
  pl: [
    { never: /(?<!\p{L})(Pan|Pani|Pana|Panu|Państw\p{L}+)(?!\p{L})|ł[ea]ś(?!\p{L})/u, because: 'ty, and nobody is he or she' },
    { never: /drzwicz|opcj/i, because: 'skrytka, ustawienia' },
  ],
  uk: [
    { never: /(?<!\p{L})(ти|тебе|тобі|тобою|тво\p{L}+|твій)(?!\p{L})|\p{L}+[еєиї]ш(?!\p{L})/iu, because: 'ви' },
    { never: /(?<!\p{L})(відчини|зачини|забери|поклади|поверни|обери|спробуй|вводь|натисни|тримай|перевір|покажи|скануй|зіскануй|відскануй)(?!\p{L})/iu, because: 'ви' },
    { never: /двер|опці/i, because: 'комірка, налаштування' },
  ],
};

describe.each(Object.keys(ALL))('how %s speaks', (language) => {
  test.each(MIXED[language]!)('$because', ({ never }) => {
    expect(Object.entries(ALL[language]!).filter(([, words]) => never.test(words))).toEqual([]);
  });

  test('an ellipsis follows its word', () => {
    // German leaves a space where whole words are left out.
    if (language === 'de') return;
    expect(Object.entries(ALL[language]!).filter(([, words]) => words.includes(' …'))).toEqual([]);
  });
});

describe('the page', () => {
  const sources = files(src).filter((path) => /\.(svelte|ts)$/.test(path) && !path.includes('generated'));
  const text = sources.map((path) => readFileSync(path, 'utf8')).join('\n');
  const prefixes = [...text.matchAll(/tCode\(\s*'([a-z.]+)'/gi)].map((match) => `${match[1]}.`);
  const templates = [...text.matchAll(/`([a-zA-Z]+\.(?:[a-zA-Z]+\.)?)\$\{/g)].map((match) => match[1]!);

  test('uses every message', () => {
    const dynamic = [...prefixes, ...templates];
    const unused = Object.keys(en).filter((key) => !text.includes(`'${key}'`) && !dynamic.some((prefix) => key.startsWith(prefix)));
    expect(unused).toEqual([]);
  });

  test('has words for every code that the core can say', () => {
    const generated = readFileSync(join(src, 'lib/generated/view.ts'), 'utf8');
    const codes = (type: string) => [...(generated.match(new RegExp(`export type ${type} = ([^;]*);`))?.[1] ?? '').matchAll(/"([A-Za-z_]+)"/g)].map((match) => match[1]!);
    const steps = [...(generated.match(/export type OpeningPhase = ([\s\S]*?)};/)?.[1] ?? '').matchAll(/"step": "([A-Za-z]+)"/g)].map((match) => match[1]!);
    const wanted = [
      ...codes('ProblemCode').flatMap((code) => [`problem.${code}`, `problem.${code}.now`]),
      ...codes('NoticeCode').map((code) => `notice.${code}`),
      ...codes('StateView').map((code) => `state.${code}`),
      ...codes('BluetoothView').map((code) => `bluetooth.${code}`),
      ...codes('OpeningDoorState').map((code) => `opening.doorState.${code}`),
      ...steps.map((step) => `opening.${step}`),
    ];
    expect(codes('ProblemCode').length).toBeGreaterThan(20);
    expect(steps.length).toBeGreaterThan(8);
    expect(wanted.filter((key) => !Object.hasOwn(en, key))).toEqual([]);
  });

  test('has no words of its own: every text in a component comes from the messages', () => {
    const found: string[] = [];
    const SPOKEN = new Set(['aria-label', 'title', 'placeholder', 'alt', 'aria-description', 'label']);
    const spoken = (words: string) => /\p{L}{2,}/u.test(words);
    for (const path of sources.filter((one) => one.endsWith('.svelte'))) {
      const visit = (node: unknown): void => {
        if (Array.isArray(node)) return node.forEach(visit);
        if (node === null || typeof node !== 'object') return;
        const { type, data, name, value } = node as { type?: string; data?: string; name?: string; value?: unknown };
        if (type === 'Text' && spoken(data ?? '')) found.push(`${path.slice(src.length)}: ${data?.trim()}`);
        if (type === 'StyleDirective') return;
        if (type === 'Attribute') {
          const literal = Array.isArray(value) ? value.filter((part: { type: string }) => part.type === 'Text') : [];
          if (SPOKEN.has(name ?? '') && literal.some((part: { data: string }) => spoken(part.data))) found.push(`${path.slice(src.length)}: ${name}`);
          return;
        }
        for (const [key, child] of Object.entries(node)) if (key !== 'css' && key !== 'instance' && key !== 'module' && key !== 'metadata') visit(child);
      };
      visit(parse(readFileSync(path, 'utf8'), { modern: true }).fragment);
    }
    expect(found).toEqual([]);
  });

  test('never takes data for markup', () => {
    expect(sources.filter((path) => /\{@html|innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function/.test(readFileSync(path, 'utf8')))).toEqual([]);
  });
});
