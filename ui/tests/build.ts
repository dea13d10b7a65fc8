import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** Builds the recorded page that the browser suites look at, and the real one whose size is measured. */
export default function setup(): void {
  const cwd = fileURLToPath(new URL('..', import.meta.url));
  for (const mode of [['--mode', 'recorded'], []]) {
    execFileSync('npx', ['vite', 'build', '--logLevel', 'warn', ...mode], {
      cwd,
      stdio: 'inherit',
      // The runner says `test`, which would bring along what only helps while developing.
      env: { ...process.env, NODE_ENV: 'production' },
    });
  }
}
