export function windowPolicy(): Promise<string>;
export function serve(folder: string): Promise<{ url: string; close: () => Promise<unknown> }>;
