/** What of Web Bluetooth is used here: TypeScript's own types lack it. */
export interface Characteristic extends EventTarget {
  readonly value?: DataView;
  readonly properties: { readonly writeWithoutResponse: boolean };
  readValue(): Promise<DataView>;
  writeValueWithResponse(value: Uint8Array<ArrayBuffer>): Promise<void>;
  writeValueWithoutResponse(value: Uint8Array<ArrayBuffer>): Promise<void>;
  startNotifications(): Promise<Characteristic>;
  stopNotifications(): Promise<Characteristic>;
}

export interface Server {
  readonly connected: boolean;
  connect(): Promise<Server>;
  disconnect(): void;
  getPrimaryService(uuid: string): Promise<{ getCharacteristic(uuid: string): Promise<Characteristic> }>;
}

export interface Device extends EventTarget {
  readonly id: string;
  readonly gatt?: Server;
}

export interface Bluetooth extends EventTarget {
  getAvailability(): Promise<boolean>;
  requestDevice(options: { filters: { services: string[] }[] }): Promise<Device>;
  /** Where the browser remembers what it was allowed. */
  getDevices?(): Promise<Device[]>;
}

/** None on an iPhone, in Firefox, and where the operator's page may not use it. */
export function bluetooth(): Bluetooth | undefined {
  return (navigator as { bluetooth?: Bluetooth }).bluetooth;
}
