// What modules of the page expect of a browser where they are tested without one.
const scope = globalThis as Record<string, unknown>;
scope['document'] ??= { documentElement: { lang: '', dataset: {} } };
scope['navigator'] ??= { languages: [] };
