import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vitest/config';
import { licencesPlugin } from './tools/licences.ts';
import { messagesPlugin } from './tools/messages.ts';
import { brandPlugin } from './brands/plugin.ts';

export default defineConfig({
  plugins: [messagesPlugin(), licencesPlugin(), brandPlugin('postern'), svelte()],
  resolve: { conditions: ['browser'] },
  test: {
    include: ['tests/**/*.test.ts'],
    setupFiles: ['tests/setup.ts'],
    globalSetup: ['tests/build.ts'],
    // A test that fails is a failure, also when a second try would pass.
    retry: 0,
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // Two cores: more browsers than that only slow each other down.
    maxWorkers: 2,
    reporters: ['default'],
  },
});
