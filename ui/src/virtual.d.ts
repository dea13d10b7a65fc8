declare module 'virtual:brand' {
  /** What the brand's folder says. */
  export const brand: { name: string; hub: string | null; languages: string[] };
  /** Address of the mark. */
  export const logo: string;
}
declare module 'virtual:brand.css';
declare module '@postern/core.wasm?url' {
  /** Address of the core's WebAssembly. */
  const url: string;
  export default url;
}
declare module 'virtual:licences' {
  /** What of others travels with the page. */
  export const licences: { name: string; version: string; licence: string; text: string }[];
  /** Of the app. */
  export const version: string;
}
