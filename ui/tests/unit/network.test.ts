import { describe, expect, test } from 'vitest';
import { readNetwork } from '../../src/lib/network';

describe('a network’s address', () => {
  test.each([
    ['lockers.example.org', 'https://lockers.example.org'],
    ['  https://lockers.example.org/ ', 'https://lockers.example.org'],
    ['HTTPS://Lockers.Example.org', 'https://lockers.example.org'],
    ['lockers.example.org.', 'https://lockers.example.org'],
    ['https://lockers.example.org//', 'https://lockers.example.org'],
    ['lockers.example.org:8460', 'https://lockers.example.org:8460'],
    ['https://lockers.example.org:443', 'https://lockers.example.org'],
    ['example.org/lockers/', 'https://example.org/lockers'],
    ['köln.example', 'https://xn--kln-sna.example'],
    ['192.0.2.7:8460', 'https://192.0.2.7:8460'],
    ['https://[2001:db8::1]:8460', 'https://[2001:db8::1]:8460'],
    // A machine of the house, by its full address only.
    ['https://hub', 'https://hub'],
    // On this machine nobody listens in between.
    ['localhost:8460', 'http://localhost:8460'],
    ['LOCALHOST', 'http://localhost'],
    ['127.0.0.1:8460/', 'http://127.0.0.1:8460'],
    ['[::1]:8460', 'http://[::1]:8460'],
    ['http://127.8.0.1', 'http://127.8.0.1'],
    ['https://localhost:8460', 'https://localhost:8460'],
  ])('%s', (typed, hub) => expect(readNetwork(typed)).toEqual({ hub }));

  test.each([
    '', ' ', '.', 'https://', 'https:/', 'hello', 'two words', 'lockers example.org', 'lockers..example.org', 'lockers,example.org', 'https:/lockers.example.org', 'https//lockers.example.org',
    'ftp://lockers.example.org', 'javascript:alert(1)', 'postern://signed-in', 'me@lockers.example.org', 'https://u:p@lockers.example.org', 'lockers.example.org?x=1',
    'lockers.example.org/#/', 'lockers.example.org:99999', 'https://<script>', '“lockers.example.org”', '12345', `https://${'x'.repeat(60)}.example/${'y'.repeat(2048)}`,
  ])('none: %s', (typed) => expect(readNetwork(typed)).toEqual({ wrong: 'address' }));

  test.each(['http://lockers.example.org', 'http://192.0.2.7:8460', 'http://localhost.example.org', 'HTTP://hub'])('not in clear: %s', (typed) =>
    expect(readNetwork(typed)).toEqual({ wrong: 'insecure' }));
});
