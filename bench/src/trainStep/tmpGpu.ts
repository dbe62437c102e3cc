import { measureInChromium } from './inChromium.ts';
const TINY = { hiddenSize: 128, layerCount: 2, headCount: 2, intermediateSize: 512, rank: 8 };
await measureInChromium((process.argv.slice(2) as any).map((backend: any) => ({ backend, shape: { name: 't', ...TINY, exampleCount: 4, tokens: 16, repetitions: 3 } })), (b, m) => console.log(b, JSON.stringify(m)));
