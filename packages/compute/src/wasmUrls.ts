/// <reference path="./viteAssets.d.ts" />
// Browser only: Vite turns these imports into the addresses of copied files.
import plain from '@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm.wasm?url';
import simd from '@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm-simd.wasm?url';
import threadedSimd from '@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm-threaded-simd.wasm?url';
import type { WasmUrls } from './compute.ts';

/** tfjs's WebAssembly files, served from the page's own origin. */
export const wasmUrls: WasmUrls = { plain, simd, threadedSimd };
