import { expect, test } from 'vitest';
import { chromiumArgs, type WebgpuMode } from './flags.ts';

const modes: WebgpuMode[] = ['swiftshader', 'hardware', 'off'];

test.each(modes)('webgpu %s: quiet, and no tab is slowed down', (webgpu) => {
  const args = chromiumArgs({ webgpu, asRoot: false });
  expect(args).toEqual(
    expect.arrayContaining([
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      '--no-first-run',
      '--disable-background-timer-throttling',
      '--disable-renderer-backgrounding',
      '--disable-backgrounding-occluded-windows',
    ]),
  );
  expect(new Set(args).size).toBe(args.length);
});

test('only root starts without the sandbox', () => {
  expect(chromiumArgs({ webgpu: 'off', asRoot: true })).toContain('--no-sandbox');
  expect(chromiumArgs({ webgpu: 'off', asRoot: false })).not.toContain('--no-sandbox');
});

test('the software adapter is asked for by name, the hardware one is not overridden', () => {
  expect(chromiumArgs({ webgpu: 'swiftshader' })).toContain('--use-webgpu-adapter=swiftshader');
  expect(chromiumArgs({ webgpu: 'hardware' }).join(' ')).not.toContain('swiftshader');
});

test('Linux reaches the GPU through Vulkan', () => {
  expect(chromiumArgs({ webgpu: 'hardware', platform: 'linux' })).toContain('--enable-features=Vulkan');
  expect(chromiumArgs({ webgpu: 'hardware', platform: 'darwin' })).not.toContain('--enable-features=Vulkan');
});
