/**
 * Where WebGPU comes from: `swiftshader` is Chromium's software adapter (any machine, slow, the same numbers
 * everywhere: tests and the demo), `hardware` the machine's GPU, `off` no WebGPU at all.
 */
export type WebgpuMode = 'swiftshader' | 'hardware' | 'off';

export type ChromiumArgsOptions = {
  webgpu: WebgpuMode;
  /** Does the browser start as root? Default: whether this process does. */
  asRoot?: boolean;
  /** Default: the platform of this process. */
  platform?: NodeJS.Platform;
};

/** Quiet: no request of the browser's own, no first-run page. */
const QUIET = [
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--no-first-run',
];

/** Several tabs train at once and only one can be in front: none may be slowed down for being behind. */
const NO_THROTTLING = [
  '--disable-background-timer-throttling',
  '--disable-renderer-backgrounding',
  '--disable-backgrounding-occluded-windows',
];

/**
 * The one place for Chromium's command-line flags.
 *
 * Headless is not among them: Playwright's `headless: true` passes `--headless`, which in a full Chromium is
 * the new headless mode; the headless shell has no WebGPU, so never start that one.
 */
export function chromiumArgs({
  webgpu,
  asRoot = process.getuid?.() === 0,
  platform = process.platform,
}: ChromiumArgsOptions): string[] {
  // Chromium refuses to start as root with its sandbox on.
  const sandbox = asRoot ? ['--no-sandbox'] : [];
  return [...QUIET, ...NO_THROTTLING, ...sandbox, ...webgpuArgs(webgpu, platform)];
}

function webgpuArgs(webgpu: WebgpuMode, platform: NodeJS.Platform): string[] {
  switch (webgpu) {
    case 'swiftshader':
      return ['--enable-unsafe-webgpu', '--use-webgpu-adapter=swiftshader'];
    case 'hardware': {
      // On Linux Dawn reaches the GPU through Vulkan only, and Chromium keeps Vulkan off by default.
      const vulkan = platform === 'linux' ? ['--enable-features=Vulkan'] : [];
      return ['--enable-unsafe-webgpu', '--ignore-gpu-blocklist', ...vulkan];
    }
    case 'off':
      return ['--disable-blink-features=WebGPU'];
  }
}
