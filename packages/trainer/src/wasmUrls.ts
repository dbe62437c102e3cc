// Browser only, like what it passes on.
export { wasmUrls } from '@chorale/compute/wasmUrls';
