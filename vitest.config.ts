import { playwright } from '@vitest/browser-playwright';
import { defineConfig, type TestProjectInlineConfiguration } from 'vitest/config';
import { chromiumArgs, findChromium } from './packages/chromium/src/index.ts';

const sourceFolders = ['packages/*/src', 'apps/*/src', 'scripts', 'bench', 'assets/samples'];
const neverTests = ['**/node_modules/**', '**/dist/**'];

const unit: TestProjectInlineConfiguration = {
  test: {
    name: 'unit',
    environment: 'node',
    include: sourceFolders.map((folder) => `${folder}/**/*.test.ts`),
    exclude: [...neverTests, '**/*.browser.test.ts'],
    testTimeout: 30_000,
  },
};

/** Tests that need a page: WebGPU, wasm threads, IndexedDB, Web Locks, workers. */
function browser(): TestProjectInlineConfiguration {
  const executablePath = findChromium();
  return {
    server: {
      // The whole repository is the root: tests fetch `/assets/...`.
      fs: { allow: [import.meta.dirname] },
      // Cross-origin isolation: without it a page has no SharedArrayBuffer, so wasm no threads.
      headers: {
        'Cross-Origin-Opener-Policy': 'same-origin',
        'Cross-Origin-Embedder-Policy': 'require-corp',
        'Cross-Origin-Resource-Policy': 'same-origin',
      },
    },
    test: {
      name: 'browser',
      include: sourceFolders.map((folder) => `${folder}/**/*.browser.test.ts`),
      exclude: neverTests,
      // A software GPU compiles shaders slowly.
      testTimeout: 120_000,
      hookTimeout: 120_000,
      // One software GPU on a few cores: files beside each other only slow each other down.
      fileParallelism: false,
      browser: {
        enabled: true,
        headless: true,
        screenshotFailures: false,
        provider: playwright({
          launchOptions: {
            // With none found Playwright's own message says what to install.
            ...(executablePath === null ? {} : { executablePath }),
            args: chromiumArgs({ webgpu: 'swiftshader' }),
          },
        }),
        instances: [{ browser: 'chromium' }],
      },
    },
  };
}

export default defineConfig({ test: { projects: [unit, browser()] } });
